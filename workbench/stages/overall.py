"""Overall: what the model after customisation leans on over many examples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa

from workbench import registry
from workbench.bank import coalitions
from workbench.bank import evaluate as evaluate_bank
from workbench.explainers import find_method, run_explainer
from workbench.quality import overall as o
from workbench.records import finite, parquet_bytes, read_attributions
from workbench.stages.columns import partial_dependence, permutation_importance
from workbench.stages.explain import Asked
from workbench.stages.session import Session, do_stage
from workbench.tasks.probability import asked_in
from workbench.types import Attribution, ClassScores, Question

_TABLE = "shap"
_OTHER = "integrated-gradients"
_SAMPLES = {"table": 200, "image": 40, "text": 0}
_WORDS = 40  # of a class that are kept


def overall(session: Session) -> bool:
    """Write `global.json` and, for tables, `global.parquet`, for pictures `global.safetensors`."""

    def work(entry: dict[str, Any]) -> None:
        asked = Asked(session)
        kind = session.task.modality_name
        found, cases, where = _attributions(session, asked)
        rng = np.random.default_rng([session.config.seed, 7])
        content: dict[str, Any] = {"modality": kind, "filler": asked.filler_text, "selection": where, "n": len(found)}
        if found:
            method = registry.load("explainers", found[0].explainer)
            content |= {"method": method.name, "title": method.title, "caption": method.caption}
            content |= {"unit": found[0].question.unit, "evaluations": int(sum(a.evaluations for a in found))}
        if found and kind == "table":
            content |= _columns(session, asked, found, cases, rng)
        elif found and kind == "text":
            content["words"] = _words(session, found, cases, rng)
        elif found:
            content["saliency"] = _saliency(session, found, cases)
        session.run.write_json("global.json", finite(content))

    return do_stage(session, "overall", work, ("global.json", "global.parquet", "global.safetensors"))


def _attributions(session: Session, asked: Asked) -> tuple[list[Attribution], list[dict[str, Any]], str]:
    """Attributions of one method for many test examples, their cases, and how these were chosen."""
    kind, settings = session.task.modality_name, session.config.explain
    samples = _SAMPLES[kind] if settings.global_samples is None else settings.global_samples
    if not samples:
        name, model = _available(session)
        by_id = {c["id"]: c for c in asked.cases}
        found = read_attributions(session.run, model, name, by_id) if name else []
        where = f"the {len(found)} explained cases, which were not drawn by lot"
        return _with_maps(session, model, name, found), [by_id[a.example_id] for a in found], where
    method = registry.load("explainers", _TABLE if kind == "table" else _OTHER)
    test = session.rows("test")
    shuffled = np.random.default_rng([session.config.seed, 8]).permutation(test)
    rows = np.sort(_even(asked, shuffled)[:samples] if kind != "table" else shuffled[:samples])
    found, cases = [], []
    with session.progress.task("explaining many", len(rows)) as bar:
        for row in rows:
            example = session.dataset.examples[int(row)]
            cut = asked.modality.segment(example.input, session.preparation, segments=settings.segments)
            bar.advance()
            if len(cut.features) < 2:
                continue
            case = {"id": example.id, "row": int(row), "example": example, "cut": cut}
            case["question"] = _question(session, asked, case["row"])
            probe = asked.probe(case, asked.model_for(case, method, "onnx", "tuned"))
            bank = evaluate_bank(probe, _masks(session, asked, len(cut.features))) if method.uses_bank else None
            found.append(run_explainer(method, probe, bank=bank, seed=session.config.seed))
            cases.append(case)
    all_of_it = len(rows) == len(test)
    drawn = "drawn by lot" if kind == "table" else "drawn by lot, as many of each class as there are"
    return found, cases, f"all {len(rows)} test examples" if all_of_it else f"{len(rows)} test examples {drawn}"


def _even(asked: Asked, rows: np.ndarray) -> np.ndarray:
    """The rows with the predicted classes taking turns, so that each class has its share."""
    if not isinstance(asked.after, ClassScores):
        return rows
    predicted, turn = asked.after.predicted[rows], np.zeros(len(rows), dtype=np.int64)
    for k in np.unique(predicted):
        turn[predicted == k] = np.arange(int((predicted == k).sum()))
    return rows[np.argsort(turn, kind="stable")]


def _question(session: Session, asked: Asked, row: int) -> Question:
    """One question for all rows of a table with two classes, so that signs compare; else that of the answer."""
    after = asked.after
    if session.task.modality_name == "table" and isinstance(after, ClassScores) and len(after.labels) == 2:
        return asked_in(Question("logit", f"Why {after.labels[1]}?", target=1, unit="logit"), asked.unit)
    return asked_in(session.task.question(after, row), asked.unit)


def _masks(session: Session, asked: Asked, m: int) -> Any:
    """The same few masks for every example: a mean over many needs less of each."""
    return coalitions(m, min(asked.budget, max(64, 4 * m + 8)), np.random.default_rng([session.config.seed, 9]))


def _available(session: Session) -> tuple[str, str]:
    """The method and model whose answers lie in the run: the gradient method's first, as it has fine maps."""
    named = [n for n in session.config.explain.methods if not find_method(n).unitless]
    for name in dict.fromkeys((_OTHER, *named)):
        for model in ("onnx", "tuned"):
            if session.run.has(f"{model}/attributions/{name}.json"):
                return name, model
    return "", ""


def _with_maps(session: Session, model: str, name: str, found: list[Attribution]) -> list[Attribution]:
    from safetensors.numpy import load_file

    path = session.run.path / model / "attributions" / f"{name}.safetensors"
    maps = load_file(path) if name and path.is_file() else {}
    return [dataclasses.replace(a, dense=maps.get(a.example_id)) for a in found]


def _label(session: Session, attribution: Attribution) -> str:
    target = attribution.question.target
    return "" if target is None else session.dataset.labels[target]


def _columns(
    session: Session, asked: Asked, found: list[Attribution], cases: list[dict[str, Any]], rng: np.random.Generator
) -> dict[str, Any]:
    columns = session.preparation.columns
    values = np.array([a.values for a in found])
    mean = o.importance(values, rng)
    order = sorted(range(len(columns)), key=lambda i: (-(mean[i].value or 0.0), i))
    cells = [[c["example"].input.get(column.name) for column in columns] for c in cases]
    table = pa.table(
        {
            "id": pa.array([c["id"] for c in cases for _ in columns], pa.string()),
            "column": pa.array([c.name for _ in cases for c in columns], pa.string()),
            "value": pa.array(values.ravel(), pa.float64()),
            "number": pa.array(
                [_number(cell, c) for row in cells for cell, c in zip(row, columns, strict=True)], pa.float64()
            ),
            "category": pa.array(
                [_category(cell, c) for row in cells for cell, c in zip(row, columns, strict=True)], pa.string()
            ),
        }
    )
    session.run.write_bytes("global.parquet", parquet_bytes(table))
    one = len({a.question.id for a in found}) == 1
    return {
        "asked": found[0].question.text if one and found[0].question.target is not None else "",
        "label": _label(session, found[0]) if one else "",
        "masks": len(_masks(session, asked, len(columns))),
        "columns": [
            {"name": columns[i].name, "kind": columns[i].kind, "unit": columns[i].unit, "importance": _plain(mean[i])}
            for i in order
        ],
        "partial": partial_dependence(session, [columns[i] for i in order]),
        "permutation": permutation_importance(session, asked.after, rng),
    }


def _number(cell: Any, column: Any) -> float | None:
    return float(cell) if column.kind == "numeric" and cell is not None and cell == cell else None


def _category(cell: Any, column: Any) -> str | None:
    return str(cell) if column.kind == "categorical" and cell is not None and cell == cell else None


def _words(
    session: Session, found: list[Attribution], cases: list[dict[str, Any]], rng: np.random.Generator
) -> dict[str, list[dict[str, Any]]]:
    asked = [(_label(session, a), [f.name for f in a.features], a.values) for a in found]
    ranked = o.words_by_class(asked, rng)
    texts = {label: sum(a[0] == label for a in asked) for label in ranked}
    return {
        label: {"texts": texts[label], "words": [{"word": w, **_plain(e)} for w, e in rows[:_WORDS]]}  # type: ignore[misc]
        for label, rows in ranked.items()
    }


def _saliency(session: Session, found: list[Attribution], cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean map and mean picture of each class, as arrays in global.safetensors."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    listed = []
    for place, label in enumerate(session.dataset.labels):
        of_class = [(a, c) for a, c in zip(found, cases, strict=True) if _label(session, a) == label]
        if not of_class:
            listed.append({"label": label, "n": 0, "reason": "no explained picture was given this class"})
            continue
        maps = [a.dense if a.dense is not None else _by_segment(a, c["cut"]) for a, c in of_class]
        arrays[f"map.{place}"] = np.ascontiguousarray(o.mean_saliency(maps), dtype=np.float32)
        frames = np.mean([c["cut"].frame for _, c in of_class], axis=0)
        arrays[f"frame.{place}"] = np.ascontiguousarray(np.rint(frames), dtype=np.uint8)
        listed.append({"label": label, "n": len(of_class), "map": f"map.{place}", "frame": f"frame.{place}"})
    session.run.write_bytes("global.safetensors", save(dict(sorted(arrays.items()))))
    return listed


def _by_segment(attribution: Attribution, cut: Any) -> np.ndarray:
    """Each segment's value spread evenly over its pixels, (H, W)."""
    area = np.bincount(cut.label.ravel(), minlength=len(attribution.values))
    return np.asarray((attribution.values / np.maximum(area, 1))[cut.label])


def _plain(estimate: Any) -> dict[str, Any]:
    return {k: v for k, v in dataclasses.asdict(estimate).items() if v != ""}
