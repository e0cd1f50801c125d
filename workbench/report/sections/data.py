"""The data: where it comes from, what is in it and what the checks found."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import charts
from workbench.report.shapes import Block, Cell, Chart, Facts, Fold, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import clean, count, listing, number, percent, sentence, short, word
from workbench.types import SPLITS

_ROWS = 40  # of a list
_STEPS = 16  # of a distribution
_OPEN = 12  # rows of a table that stand open; more are behind a line
_CHECKS = {
    "unreadable": N_("Unreadable examples"),
    "leak_test": N_("Test examples seen in training"),
    "leak_validation": N_("Validation examples seen in training"),
    "duplicates": N_("Duplicates within a split"),
    "conflicting_targets": N_("Equal inputs, different targets"),
    "class_imbalance": N_("Balance of the classes"),
    "label_balance": N_("Balance of the labels"),
    "missing_labels": N_("Labels that never occur"),
    "label_sets": N_("Labels of an example"),
    "small_classes": N_("Classes or labels with few test examples"),
    "look_alike_labels": N_("Labels that look alike"),
    "group_leak": N_("Groups across splits"),
    "empty_texts": N_("Empty texts"),
    "long_texts": N_("Very long texts"),
    "tiny_pictures": N_("Tiny pictures"),
    "missing_values": N_("Missing values"),
    "constant_columns": N_("Constant columns"),
    "unseen_categories": N_("Categories unseen in training"),
    "id_columns": N_("Columns that name the row"),
    "numbers_as_categories": N_("Numbers read as categories"),
    "target_leak": N_("Columns that tell the target"),
}
_LEVELS = {"ok": ("good", N_("fine")), "note": ("open", N_("note")), "warning": ("fair", N_("look"))}


def data(view: RunView) -> Section | None:
    """Splits, classes or target, columns, checks, origin and what could not be read."""
    about = view.fingerprint
    if not about:
        return None
    splits = _splits(view)
    total = sum(about.get("splits", {}).values())
    parts = [_("{splits:,} for {use}").format(splits=about["splits"][s], use=_use(view, s)) for s in splits]
    finding = _("{total} of {name}: {parts}.").format(
        total=count(total, "{n} example", "{n} examples"),
        name=about.get("name", _("unnamed data")),
        parts=listing(parts),
    )
    warnings = sum(c["level"] == "warning" for c in view.checks or [])
    if view.checks:
        n, asks = count(len(view.checks), "{n} check", "{n} checks"), _(" {warnings} of {n} ask for a look.")
        asks = _(" 1 of {n} asks for a look.") if warnings == 1 else asks
        finding += asks.format(warnings=warnings, n=n) if warnings else ""
    blocks: list[Block] = [*_classes(view), *_target(view), *_checks(view), *_columns(view), *_skipped(view)]
    origin = [(_("Source"), word(about.get("source", _("not recorded"))))]
    origin += [(_("Split"), word(sentence(about.get("split_method", _("not recorded")))))]
    if about.get("sha256"):
        origin += [(_("Hash of the examples"), Cell(about["sha256"], kind="code"))]
    blocks.append(Facts(tuple(origin), _("Origin")))
    if about.get("notes"):
        blocks.append(Prose(tuple(sentence(note) for note in about["notes"])))
    how = (
        _("Counts are of examples that could be read. Duplicates are examples whose inputs are equal byte for byte."),
        _(_LENDS if view.audited else _LEARNS),
    )
    return Section("data", _("Data"), finding, tuple(blocks), how)


_LEARNS = N_(
    "The model learns from the training split, the best state is chosen on the "
    "validation split, and every number of this report is of the test split unless it "
    "says otherwise."
)
_LENDS = N_(
    "Nothing was trained for this report. The train split lends what stands for hidden "
    "parts and what is usual, thresholds and the temperature are chosen on the "
    "validation split, and every number is of the test split unless it says otherwise."
)


def _use(view: RunView, split: str) -> str:
    return _((_LENT if view.audited else _USE)[split])


_LENT = {"train": N_("reference"), "validation": N_("choosing thresholds"), "test": N_("judging")}
_USE = {"train": N_("training"), "validation": N_("choosing the best state"), "test": N_("judging")}


def _splits(view: RunView) -> list[str]:
    return [s for s in SPLITS if s in view.fingerprint.get("splits", {})]


def _classes(view: RunView) -> list[Block]:
    classes, splits = view.fingerprint.get("classes") or {}, _splits(view)
    if not classes:
        return []
    labels = view.labels or sorted({label for counts in classes.values() for label in counts})
    sizes = view.fingerprint.get("splits", {})
    totals = {s: max(1, sizes.get(s, 0) if view.multilabel else sum(classes.get(s, {}).values())) for s in splits}
    rows = tuple(
        (
            word(label),
            *(
                Cell(f"{classes.get(s, {}).get(label, 0):,}", percent(classes.get(s, {}).get(label, 0) / totals[s]))
                for s in splits
            ),
        )
        for label in labels[:_ROWS]
    )
    left = len(labels) - _ROWS
    more, named = count(left, "{n} more class", "{n} more classes"), (_("Class"), _("Examples of each class"))
    alike, every = _("Share of the examples of each class in every split"), _("Examples of each of the {n:,} classes")
    if view.multilabel:
        more, named = count(left, "{n} more label", "{n} more labels"), (_("Label"), _("Examples with each label"))
        alike = _("Share of the examples with each label in every split")
        every = _("Examples with each of the {n:,} labels")
    note = _("{left} in data/fingerprint.json.").format(left=more) if left > 0 else ""
    table = Table(
        named[1],
        (named[0], *map(_, splits)),
        rows,
        note,
        compact=True,
    )
    drawn = [
        {"label": short(clean(label)), "who": s, "n": n, "share": n / totals[s]}
        for label in labels[:_ROWS]
        for s in splits
        for n in (classes.get(s, {}).get(label, 0),)
    ]
    chart = Chart(
        charts.shares(pd.DataFrame(drawn).round(5), height=_height(len(rows))),
        alike,
        _("Where the marks of a row lie together, the splits are alike."),
        _height(len(rows)),
    )
    if len(rows) <= _OPEN:
        return [chart, table]
    return [chart, Fold(every.format(n=len(labels)), (table,))]


def _height(rows: int) -> int:
    return 200 if rows <= 8 else 300


def _target(view: RunView) -> list[Block]:
    target = view.fingerprint.get("target") or {}
    if not target:
        return []
    rows = tuple(
        (
            word(_(split)),
            Cell(f"{view.fingerprint['splits'].get(split, 0):,}"),
            *(Cell(number(target[split][key], like=abs(target[split]["max"]))) for key in ("mean", "sd", "min", "max")),
        )
        for split in _splits(view)
        if split in target
    )
    unit = f" ({view.unit})" if view.unit else ""
    title = f"{view.fingerprint.get('target_name', _('Target'))}{unit}"
    return [
        *_distribution(view, title),
        Table(title, (_("Split"), "n", _("mean"), _("standard deviation"), _("least"), _("greatest")), rows),
    ]


def _distribution(view: RunView, title: str) -> list[Block]:
    """How the target is spread in every split, on the same steps."""
    frame = view.predictions(view.shipped) if view.shipped else None
    if frame is None:
        return []
    known = frame[frame["target"].notna()].assign(target=lambda rows: rows["target"].astype(float))
    edges = np.histogram_bin_edges(known["target"], _STEPS)
    parts = []
    for split in _splits(view):
        values = known["target"][known["split"] == split]
        if len(values):
            n = [*np.histogram(values, edges)[0].tolist(), 0]  # the last step ends on the axis
            parts.append(pd.DataFrame({"who": split, "low": edges, "n": n, "share": [k / len(values) for k in n]}))
    if not parts:
        return []
    return [
        Chart(
            charts.targets(pd.concat(parts, ignore_index=True).round(5), title),
            _("Distribution of {title} in every split").format(title=title),
            _("Where the lines lie together, the splits are alike."),
            200,
        )
    ]


def _checks(view: RunView) -> list[Block]:
    """What the checks found; those that found nothing stand behind one line."""
    if not view.checks:
        text = _("The checks of the data are not in this run (data/checks.json), so nothing is said of them.")
        return [Prose((text,), "note")]
    found, clear = ([c for c in view.checks if (c["level"] == "ok") == ok] for ok in (False, True))
    blocks: list[Block] = [_listed(_("What the checks found"), found)] if found else []
    if clear:
        title = (
            _("{n} found nothing").format(n=count(len(clear), "{n} check", "{n} checks"))
            if found
            else _("All {n} checks found nothing").format(n=len(clear))
        )
        blocks.append(Fold(title, (_listed(_("Checks that found nothing"), clear),)))
    return blocks


def _listed(caption: str, checks: list[dict[str, Any]]) -> Table:
    order = {"warning": 0, "note": 1, "ok": 2}
    rows = []
    for check in sorted(checks, key=lambda c: order.get(c["level"], 1)):
        level, text = _LEVELS.get(check["level"], ("open", check["level"]))
        named = [str(i) for i in check.get("examples") or []][:5]
        note = _("for example {named}").format(named=listing(named)) if named else ""
        found = Cell(_("none recorded"), kind="word") if check.get("n") is None else Cell(f"{check['n']:,}")
        said = word(sentence(check["sentence"]), note)
        rows.append((word(_check_title(check["check"])), Cell(_(text), kind="mark", level=level), said, found))
    return Table(caption, (_("Check"), _("Result"), _("What was found"), "n"), tuple(rows))


def _check_title(name: str) -> str:
    """A check in plain words; one that the report does not know keeps its own name."""
    spaced = name.replace("_", " ")
    return _(_CHECKS.get(name, spaced[:1].upper() + spaced[1:]))


def _columns(view: RunView) -> list[Block]:
    columns, splits = view.fingerprint.get("columns") or [], view.fingerprint.get("splits", {})
    if not columns:
        return []
    total = sum(splits.values())
    rows = []
    for column in columns[:_ROWS]:
        missing = sum((column.get("missing") or {}).values())
        kinds = column.get("categories") or []
        detail = (
            _("{n}: {those}").format(
                n=count(len(kinds), "{n} category", "{n} categories"), those=listing([str(k) for k in kinds[:6]])
            )
            if kinds
            else ""
        )
        detail += " …" if len(kinds) > 6 else ""
        rows.append(
            (
                word(column["name"]),
                word(stored(column["kind"]), detail),
                Cell(f"{missing:,}", percent(missing / total) if total else ""),
            )
        )
    left = len(columns) - _ROWS
    note = (
        _("{left} in data/fingerprint.json.").format(left=count(left, "{n} more column", "{n} more columns"))
        if left > 0
        else ""
    )
    table = Table(_("Columns"), (_("Column"), _("Kind"), _("Missing")), tuple(rows), note, compact=True)
    if len(columns) <= _OPEN:
        return [table]
    kinds = Counter(str(column["kind"]) for column in columns)
    said = listing([f"{n} {stored(kind)}" for kind, n in kinds.most_common()])
    holes = sum(any((column.get("missing") or {}).values()) for column in columns)
    title = _("All {n:,} columns: {said}; {holes:,} with missing values")
    title = title if holes else _("All {n:,} columns: {said}; none has missing values")
    return [Fold(title.format(n=len(columns), said=said, holes=holes), (table,))]


def _skipped(view: RunView) -> list[Block]:
    skipped = view.fingerprint.get("skipped") or []
    if not skipped:
        return []
    rows = tuple((word(s["where"]), word(sentence(s["reason"]))) for s in skipped[:_ROWS])
    left = len(skipped) - _ROWS
    note = _("{left} in data/fingerprint.json.").format(left=count(left, "{n} more", "{n} more")) if left > 0 else ""
    table = Table(_("Examples that could not be read"), (_("Where"), _("Why")), rows, note)
    if len(rows) <= _OPEN:
        return [table]
    return [Fold(_("{n} could not be read").format(n=count(len(skipped), "{n} example", "{n} examples")), (table,))]
