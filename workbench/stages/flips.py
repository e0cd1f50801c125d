"""Flips: every answer that turned right or wrong, explained under both models with the same masks."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.bank import Bank
from workbench.errors import ArtefactError
from workbench.explainers import find_method, run_explainer
from workbench.records import finite, read_table, write_attributions
from workbench.run import Run
from workbench.stages.asking import kept_bank
from workbench.stages.assess import bank_scores
from workbench.stages.explain import Asked, Picked
from workbench.stages.session import SIDES, Models, Session, do_stage
from workbench.stages.two_runs import AFTER, BEFORE, AskedOfRuns, Pair
from workbench.types import Attribution, ClassScores, LabelScores, Question

NAME, FOLDER = "flips.json", "flips"
METHOD = "shap"  # asks only for scores; exact on leave-one-outs and their complements where parts act in pairs at most
NO_TURN = "A predicted value is off by more or less; it does not turn."
MODEL_OF = {"base": "base", "after": "onnx"}  # side to the folder of its files
OUTPUTS = (NAME, FOLDER, *(f"{model}/{FOLDER}" for model in MODEL_OF.values()))
_MOST = {"table": 200, "text": 100, "image": 100}
Found = dict[str, list[Attribution]]  # side to attributions in the order of the cases


def flips(session: Session) -> bool:
    """Write `flips.json`, `flips/` (pictures) and `<model>/flips/`: attributions of answers that turned."""

    def work(entry: dict[str, Any]) -> None:
        clear(session.run)
        turned = session.run.read_json("comparison.json").get("flips")
        if not turned:
            session.run.write_json(NAME, without(NO_TURN))
            return
        most = session.config.compare.flips
        chosen, selection = choose_flips(turned, _MOST[session.task.modality_name] if most is None else most)
        asked = Turned(session, rows_of(session, chosen), lean=True)
        kept = {side: bank_scores(session, model) for side, model in MODEL_OF.items()}
        found = explain_flips(asked, SIDES, kept)
        write_flips(session.run, asked, found, turned, selection)

    return do_stage(session, "flips", work, OUTPUTS)


def choose_flips(turned: Mapping[str, Sequence[str]], most: int) -> tuple[list[tuple[str, str]], str]:
    """Which answers that turned are explained: (id, "negative" or "positive"), and a sentence that says so.

    All of them where they are at most `most`. Else half of those now wrong, the surest first, and
    half of those now right, evenly over how sure the model is; what one kind leaves goes to the other.
    """
    lost, won = list(turned["negative"]), list(turned.get("positive") or ())
    total = len(lost) + len(won)
    n_lost = min(len(lost), max(most - most // 2, most - len(won)))
    n_won = min(len(won), most - n_lost)
    even = [won[int(i)] for i in np.linspace(0, len(won) - 1, n_won).round()] if n_won else []
    chosen = [*((i, "negative") for i in lost[:n_lost]), *((i, "positive") for i in even)]
    if not total:
        return [], "No answer turned right or wrong."
    if total <= most:
        return chosen, f"All {total} are explained." if total > 1 else "It is explained."
    said = f"{len(chosen):,} of {total:,} are explained (compare.flips = {most:,})"
    parts = [f"of the {len(lost):,} that are now wrong the {n_lost:,} surest"] if n_lost else []
    parts += [f"of the {len(won):,} that are now right {n_won:,}, evenly from the surest to the least sure"] * (
        n_won > 0
    )
    return chosen, f"{said}: {'; '.join(parts)}." if parts else f"{said}."


def rows_of(session: Any, chosen: Sequence[tuple[str, str]]) -> Picked:
    """The chosen ids as rows of the predictions that are compared."""
    table = read_table(session.run, "onnx/predictions.parquet")
    place = {str(name): row for row, name in enumerate(table["id"].to_pylist())}
    missing = [name for name, _ in chosen if name not in place]
    if missing:
        raise ArtefactError(
            f"{session.run.path / 'comparison.json'} names {missing[0]!r}, which no prediction is of",
            hint=f"run `workbench evaluate {session.run.path}` again",
        )
    return [(place[name], why) for name, why in chosen]


class Turned(Asked):
    """Answers that turned as cases: why the answer now and not the one before.

    That difference is what changed its sign. Of several labels: why the one that turned.
    """

    previews = FOLDER

    def _question(self, row: int) -> Question | None:
        before, after, task = self.before, self.after, self.session.task
        if isinstance(before, LabelScores) and isinstance(after, LabelScores):
            return _label_turned(before, after, row)
        asked = None
        if task.contrast is not None and isinstance(before, ClassScores):
            asked = task.contrast(after, row, before.labels[before.predicted[row]])
        return asked or task.question(after, row)


def _label_turned(before: LabelScores, after: LabelScores, row: int) -> Question:
    """Of the labels that turned the one whose probability moved most."""
    turned = before.predicted[row] != after.predicted[row]
    moved = np.abs(after.probabilities[row] - before.probabilities[row])
    k = int(np.where(turned, moved, -1.0).argmax())
    why = "Why" if after.predicted[row, k] else "Why not"
    return Question("logit", f"{why} {after.labels[k]}?", target=k, unit="logit")


class TurnedOfRuns(Turned, AskedOfRuns):
    """The same of two runs."""


def flips_of_runs(pair: Pair, turned: Mapping[str, Sequence[str]] | None) -> None:
    """Write what `flips` writes, of two runs; `turned` is what comparison.json says of flips."""
    clear(pair.run)
    if not turned:
        pair.run.write_json(NAME, without(NO_TURN))
        return
    most = pair.config.compare.flips
    chosen, selection = choose_flips(turned, _MOST[pair.task.modality_name] if most is None else most)
    asked = TurnedOfRuns(pair, rows_of(pair, chosen), lean=True)
    two = {side: models for side, models in pair.models.items() if side in (BEFORE, AFTER)}
    write_flips(pair.run, asked, explain_flips(asked, two, {}), turned, selection)


def explain_flips(asked: Asked, models: Models, kept: Mapping[str, Mapping[str, np.ndarray]]) -> Found:
    """Every case under both models, with the same masks.

    Args:
        asked: the answers that turned.
        models: side to the model that black-box methods ask and the one with gradients.
        kept: side to example to the scores of the bank that `explain` asked: these are not asked again.
    """
    everything, found = asked.cases, {side: dict[str, Attribution]() for side in models}
    known = [c for c in everything if kept and all(c["id"] in kept[side] for side in models)]
    asked.cases = [c for c in everything if c not in known]

    def answer(side: str, case: dict[str, Any], bank: Bank) -> None:
        probe = asked.probe(case, models[side][0])
        told = run_explainer(find_method(METHOD), probe, bank=bank, seed=asked.session.config.seed)
        # Two runs may number their classes differently; what is kept is the question as it was put.
        found[side][case["id"]] = dataclasses.replace(told, question=case["question"])

    for case in known:
        for side, (black_box, _) in models.items():
            answer(side, case, kept_bank(asked, case, asked.probe(case, black_box), kept[side]))
    with asked.session.progress.task("explaining answers that turned", len(asked.cases) * len(models)) as bar:
        for case, banks in asked.banks(models):
            for side, bank in zip(models, banks, strict=True):
                answer(side, case, bank)
                bar.advance(1)
    asked.cases = [c for c in everything if all(c["id"] in of_side for of_side in found.values())]
    return {side: [of_side[c["id"]] for c in asked.cases] for side, of_side in found.items()}


def clear(run: Run) -> None:
    """Remove what an earlier call wrote."""
    for name in OUTPUTS[1:]:
        shutil.rmtree(run.path / name, ignore_errors=True)


def without(reason: str) -> dict[str, Any]:
    """Content of flips.json where nothing is explained."""
    return {"negative": None, "positive": None, "explained": 0, "selection": reason, "left_out": [], "cases": []}


def write_flips(run: Run, asked: Asked, found: Found, turned: Mapping[str, Sequence[str]], selection: str) -> None:
    """Write `flips.json` with its pictures and the attributions of both sides (docs/artefacts.md)."""
    method = find_method(METHOD)
    for side, answers in found.items():
        facts: dict[str, Any] = {
            "explainer": METHOD,
            "title": method.title,
            "caption": method.caption,
            "backbone": MODEL_OF[side],
        }
        facts |= {"library": method.library, "seed": asked.session.config.seed, "unitless": method.unitless}
        facts |= {"filler": asked.filler_of(method, answers[0]) if answers else asked.filler_text}
        facts |= {"unit": answers[0].question.unit if answers else ""}
        write_attributions(run, MODEL_OF[side], facts, answers, folder=FOLDER)
    content = {
        "negative": len(turned["negative"]),
        "positive": len(turned.get("positive") or ()),
        "explained": len(asked.cases),
        "selection": selection,
        "method": METHOD,
        "title": method.title,
        "modality": asked.session.task.modality_name,
        "filler": asked.filler_text,
        "evaluations": sum(a.evaluations for answers in found.values() for a in answers),
        "left_out": asked.left_out,
        "cases": [asked.described(i, c) for i, c in enumerate(asked.cases)],
    }
    run.write_json(NAME, finite(content))
