"""What the model looks at overall: columns, words or places that count over many examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.report import column_charts as charts
from workbench.report import pictures
from workbench.report.shapes import Block, Cell, Chart, Fold, Pair, Picture, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import between, count, listing, number, percent, sentence, signed, word

_LINES = 10  # columns of a chart
_DEPENDENCE = 4  # columns that are drawn one by one
_WORDS = 12  # of a class
_NAMED = 3
_WORSE = {"accuracy": "accuracy lost", "log_loss": "rise of the log-loss", "rmse": "rise of the typical error, RMSE"}


def overall(view: RunView) -> Section | None:
    """The part of the report that speaks of the model, not of single cases."""
    about = view.json("global.json")
    if not about:
        return None
    if not about.get("n"):
        return Section("overall", "Overall", "No example could be explained, so nothing is said of the whole.", ())
    kind = about.get("modality")
    finding, blocks = {"table": _table, "text": _text, "image": _image}[str(kind)](view, about)
    return Section("overall", "What the model looks at overall", finding, tuple(blocks), _how(about))


def _how(about: Mapping[str, Any]) -> tuple[str, ...]:
    how = [
        f"{about['title']} of the model after customisation on {about['selection']}. {sentence(about['caption'])} "
        f"A hidden part is replaced by: {about['filler']}. {count(about['evaluations'], 'evaluation')} of the model.",
        "These are means of explanations: they say what this model leans on in this data, not what causes what.",
    ]
    if about.get("masks"):
        how.append(
            f"{about['masks']:,} masks for each row, the same for all; intervals are percentiles of 2,000 bootstrap "
            "samples of the rows."
        )
        how.append(
            "Partial dependence (Friedman 2001): one column is set to a value in every row, the others stay, and the "
            "answers are averaged. Where columns depend on each other it asks for rows that do not exist."
        )
        how.append(
            "Permutation importance (Breiman 2001): how much worse the deployed file does on the test split when one "
            f"column is shuffled, {about['permutation'].get('shuffles', 0)} times; intervals over rows and shuffles. "
            "Columns that say the same as others lose little when shuffled alone."
        )
    return tuple(how)


# -- tables ---------------------------------------------------------------------------


def _table(view: RunView, about: Mapping[str, Any]) -> tuple[str, list[Block]]:
    columns, unit = about["columns"], str(about.get("unit") or view.unit or "the answer")
    first = [c["name"] for c in columns[:_NAMED]]
    share = _share(columns[: len(first)], columns)
    finding = (
        f"The model leans most on {listing(first)}: they make up {percent(share, places=0)} of all that moves its "
        f"answers, over {about['selection']}."
    )
    blocks: list[Block] = [Pair((_importance(about, unit), _permutation(view, about)))]
    rows = view.parquet("global.parquet")
    if rows is not None:
        blocks.append(_swarm(about, rows, unit))
        blocks.append(Pair(tuple(_dependence(about, rows, c, unit) for c in columns[:_DEPENDENCE])))
    partial = tuple(_partial(view, entry, curve) for entry in about["partial"] for curve in entry["curves"])
    if partial:
        blocks.append(Fold("Partial dependence: the mean answer as one column moves", (Pair(partial),)))
    blocks.append(Fold(f"All {count(len(columns), 'column')} in numbers", (_numbers(about, unit),)))
    return finding, blocks


def _share(some: list[dict[str, Any]], every: list[dict[str, Any]]) -> float:
    total = sum(c["importance"]["value"] for c in every)
    return sum(c["importance"]["value"] for c in some) / total if total else 0.0


def _said(entry: Mapping[str, Any]) -> str:
    return f"{number(entry['value'], digits=2)} ({between(entry.get('low'), entry.get('high')) or 'no interval'})"


def _importance(about: Mapping[str, Any], unit: str) -> Chart:
    rows = [{"column": c["name"], **_ends(c["importance"])} for c in about["columns"][:_LINES]]
    spoken = "; ".join(f"{c['name']} {_said(c['importance'])}" for c in about["columns"][:_NAMED])
    return Chart(
        charts.importance(pd.DataFrame(rows), f"mean size of the attribution ({unit})"),
        f"Mean size of each column's attribution, the largest first: {spoken}",
        f"How far each column moves the answer on average, with 95 % intervals ({about['title']}, n {about['n']:,}).",
        height=300,
    )


def _ends(entry: Mapping[str, Any]) -> dict[str, float]:
    value = float(entry["value"])
    return {"value": value, "low": _or(entry.get("low"), value), "high": _or(entry.get("high"), value)}


def _or(value: float | None, instead: float) -> float:
    return instead if value is None else float(value)


def _permutation(view: RunView, about: Mapping[str, Any]) -> Block:
    found = about["permutation"]
    if not found["columns"]:
        return Prose((f"Permutation importance: not computed. {sentence(found['reason'])}",), "note")
    name = found["scores"][-1]
    unit = f" ({view.unit})" if name == "rmse" and view.unit else ""
    rows = [{"column": c["name"], **_ends(c[name])} for c in found["columns"][:_LINES]]
    spoken = "; ".join(f"{c['name']} {_said(c[name])}" for c in found["columns"][:_NAMED])
    clear = sum((c[name].get("low") or 0.0) > 0 for c in found["columns"])
    said = f"{clear} of {count(len(found['columns']), 'column')} clearly above zero" if clear else "none clearly above zero"
    return Chart(
        charts.importance(pd.DataFrame(rows), f"{_WORSE[name]}{unit}"),
        f"How much worse the model does when a column is shuffled, {_WORSE[name]}: {spoken}",
        f"How much worse it does when a column is shuffled: {said} (test split, n {found['n']:,}, "
        f"{count(found['shuffles'], 'shuffle')}).",
        height=300,
    )


def _swarm(about: Mapping[str, Any], rows: pd.DataFrame, unit: str) -> Chart:
    order = [c["name"] for c in about["columns"][:_LINES]]
    parts = [_spread(rows[rows["column"] == name]) for name in order]
    points = pd.concat(parts, ignore_index=True)[["column", "value", "place", "shade", "shown"]]
    toward = f"speaks for {about['label']}" if about.get("label") else "raises the answer"
    spoken = "; ".join(f"{name}: {_direction(rows[rows['column'] == name])}" for name in order[:_NAMED])
    return Chart(
        charts.swarm(points, order, f"attribution ({unit}); to the right it {toward}"),
        f"Attribution of each column in every row, coloured by the column's value. {spoken}",
        f"Every row a dot: to the right the column {toward}; the colour says how high its value is in that row.",
        height=300,
    )


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Dots of one column with their place across the line (dots of like value side by side) and their shade."""
    values = rows["value"].to_numpy(dtype=float)
    reach = float(np.ptp(values)) or 1.0
    bins = np.floor((values - values.min()) / reach * 40).astype(int)
    place = np.zeros(len(values))
    for b in np.unique(bins):
        inside = np.flatnonzero(bins == b)
        steps = np.arange(len(inside))
        place[inside] = np.where(steps % 2, -1, 1) * ((steps + 1) // 2) / 6
    numbers = rows["number"]
    known = numbers.rank(pct=True, method="average")
    names = list(charts.SHADES)
    shade = [names[5] if pd.isna(r) else names[min(4, int(r * 5 - 1e-9))] for r in known]
    shown = [number(n) if pd.notna(n) else str(c) if pd.notna(c) else "missing" for n, c in zip(numbers, rows["category"])]
    rounded = [float(f"{v:.4g}") for v in values]
    return rows.assign(value=rounded, place=np.clip(place, -1.2, 1.2).round(3), shade=shade, shown=shown)


def _direction(rows: pd.DataFrame) -> str:
    both = rows[rows["number"].notna()]
    if len(both) < 3 or both["number"].nunique() < 2 or both["value"].nunique() < 2:
        return "no order of values"
    rho = float(both["number"].rank().corr(both["value"].rank()))
    return f"high values {'raise' if rho > 0 else 'lower'} the answer (rank correlation {signed(rho, digits=2)})"


def _dependence(about: Mapping[str, Any], rows: pd.DataFrame, column: Mapping[str, Any], unit: str) -> Block:
    name, numeric = str(column["name"]), column["kind"] == "numeric"
    own = rows[rows["column"] == name]
    at = own["number"] if numeric else own["category"]
    known = own[at.notna()]
    if known.empty:
        return Prose((f"{name}: no row has a value.",), "note")
    points = pd.DataFrame(
        {"at": known["number" if numeric else "category"], "value": [float(f"{v:.4g}") for v in known["value"]]}
    )
    unit_of = f" ({column['unit']})" if column.get("unit") else ""
    return Chart(
        charts.dependence(points, f"{name}{unit_of}", f"attribution ({unit})", numeric=numeric),
        f"Attribution of {name} over its value: {_direction(own) if numeric else 'a category'}",
        f"{name}: what its value does to the answer.",
        height=200,
    )


def _partial(view: RunView, entry: Mapping[str, Any], curve: Mapping[str, Any]) -> Chart:
    name, numeric = str(entry["column"]), entry["kind"] == "numeric"
    what = f"probability of {curve['label']}" if curve["label"] else f"predicted value{f' ({view.unit})' if view.unit else ''}"
    frame = pd.DataFrame({"at": entry["grid"], **{k: curve[k] for k in ("mean", "low", "high")}})
    ends = [number(v, digits=2) for v in (curve["mean"][0], curve["mean"][-1])] if curve["mean"] else ["", ""]
    unit_of = f" ({entry['unit']})" if entry.get("unit") else ""
    return Chart(
        charts.partial(frame, f"{name}{unit_of}", what, numeric=numeric),
        f"Mean {what} as {name} moves from its lowest to its highest value: from {ends[0]} to {ends[1]}",
        f"{name}: mean over {count(entry['rows'], 'training row')}; the shade holds the middle 80 % of them.",
        height=200,
    )


def _numbers(about: Mapping[str, Any], unit: str) -> Table:
    shuffled = {c["name"]: c for c in about["permutation"]["columns"]}
    scores = about["permutation"].get("scores", [])
    rows = []
    for column in about["columns"]:
        cells = [word(column["name"]), _cell(column["importance"])]
        entry = shuffled.get(column["name"], {})
        rows.append((*cells, *(_cell(entry[s]) if s in entry else Cell("not computed", kind="none") for s in scores)))
    head = ("Column", f"mean size of the attribution ({unit})", *(_WORSE[s] for s in scores))
    return Table("Columns by how much they count", head, tuple(rows), compact=True)


def _cell(entry: Mapping[str, Any]) -> Cell:
    like = max(abs(v) for v in (entry["value"], entry.get("low"), entry.get("high")) if v is not None)
    like = like if like >= 1e-3 else None
    span = between(entry.get("low"), entry.get("high"), like=like)
    return Cell(number(entry["value"], like=like), span or str(entry.get("reason") or "no interval"))


# -- texts ----------------------------------------------------------------------------


def _text(view: RunView, about: Mapping[str, Any]) -> tuple[str, list[Block]]:
    words = about["words"]
    blocks: list[Block] = []
    if str(about["selection"]).startswith("the "):
        blocks.append(
            Prose(
                (
                    f"Only {about['selection']} stand behind these words: a word seen in one text says little. "
                    "`explain.global_samples = 100` explains a hundred texts drawn by lot.",
                ),
                "note",
            )
        )
    blocks.append(Pair(tuple(_words(label, entry, str(about["unit"])) for label, entry in words.items()), narrow=True))
    strongest = [
        f"“{row['word']}” for {label}"
        for label, entry in words.items()
        if (row := next((w for w in entry["words"] if (w["value"] or 0) > 0 and w["n"] > 1), None))
    ]
    named = f" Most telling in more than one text: {listing(strongest[:4])}." if strongest else ""
    return f"The words that moved the answers most, by class, over {about['selection']}.{named}", blocks


def _words(label: str, entry: Mapping[str, Any], unit: str) -> Table:
    rows = []
    shown = entry["words"][:_WORDS]
    for row in shown:
        like = max(abs(v) for v in (row["value"], row.get("low"), row.get("high")) if v is not None) or 1.0
        span = between(row.get("low"), row.get("high"), like=like, sign=True)
        rows.append((word(row["word"]), Cell(signed(row["value"], like=like), span), Cell(f"{row['n']:,}")))
    faint = frozenset(i for i, row in enumerate(shown) if row["n"] < 2)
    caption = f"{label} ({count(entry['texts'], 'text')})"
    return Table(caption, ("Word", f"mean ({unit})", "texts"), tuple(rows), compact=False, faint=faint)


# -- pictures -------------------------------------------------------------------------


def _image(view: RunView, about: Mapping[str, Any]) -> tuple[str, list[Block]]:
    arrays = view.arrays("global.safetensors")
    blocks: list[Block] = []
    drawn: list[Block] = []
    missing = []
    for entry in about["saliency"]:
        if not entry["n"] or entry["map"] not in arrays:
            missing.append(f"{entry['label']} ({entry.get('reason', 'no map in the run')})")
            continue
        drawn.append(_saliency(str(entry["label"]), entry["n"], arrays[entry["map"]], arrays[entry["frame"]], view))
    if drawn:
        blocks.append(Pair(tuple(drawn), narrow=True))
    if missing:
        blocks.append(Prose((f"Not drawn: {listing(missing)}.",), "note"))
    blocks.append(
        Prose(
            (
                "Under the colours lies the mean picture of the class. Where things do not stand in the same place "
                "in every picture, a mean map says little: look at the cases then.",
            ),
            "note",
        )
    )
    finding = (
        f"Where the model looks for each class, averaged over {about['selection']}: blue places speak for the class, "
        "orange ones against it."
    )
    return finding, blocks


def _saliency(label: str, n: int, values: np.ndarray, frame: np.ndarray, view: RunView) -> Picture:
    longest = view.limits.picture
    small = pictures.dense_map(values, min(longest, 112))
    full = float(np.percentile(np.abs(small), 99)) or float(np.abs(small).max()) or 1.0
    base, width, height, tiny = pictures.from_array(frame, longest)
    note = f"{label} ({count(n, 'picture')})"
    y, x = np.unravel_index(int(np.argmax(small)), small.shape)
    down = ("top", "middle", "bottom")[min(2, int(3 * y / small.shape[0]))]
    across = ("left", "centre", "right")[min(2, int(3 * x / small.shape[1]))]
    said = f"Mean saliency of class {label} over {count(n, 'picture')}; strongest at the {down} {across}"
    return Picture(base, pictures.overlay(small, full), width, height, said, note, pixelated=tiny)
