"""Two runs asked the same: one sample of cases, cut once, put to the deployed models of several runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.config import Config
from workbench.engines.progress import Progress
from workbench.errors import Refusal, WorkbenchError
from workbench.explainers import find_method, run_explainer
from workbench.records import read_predictions
from workbench.run import Run
from workbench.stages.explain import Asked, Picked
from workbench.stages.session import Session
from workbench.tasks.binding import bind
from workbench.tasks.record import Task
from workbench.types import Attribution, Dataset, Question

BEFORE, AFTER = "base", "after"  # the sides of a comparison, as everywhere
_CHECKPOINT = "tuned/checkpoint/model.safetensors"


@dataclass
class Pair:
    """What `Asked` needs of a session, with the cases of one run and the models of several.

    `sessions` are by side: "base", "after", and "null-0", ... for retrained twins.
    """

    run: Run
    config: Config
    sessions: dict[str, Session]
    progress: Progress
    audited = False  # there are two models, whoever trained them

    @property
    def task(self) -> Task:
        return self.sessions[BEFORE].task

    @property
    def dataset(self) -> Dataset:
        return self.sessions[BEFORE].dataset

    @property
    def preparation(self) -> Any:
        return self.sessions[BEFORE].preparation

    def rows(self, split: str) -> np.ndarray:
        """Positions of a split's examples in the data of the run before."""
        return self.sessions[BEFORE].rows(split)

    @property
    def unit(self) -> str:
        """Probabilities where a model of either run has no logits that add up; else logits."""
        return next((s.unit for s in self.sessions.values() if s.unit), "")

    @property
    def models(self) -> dict[str, tuple[str, str]]:
        """Side to the model that black-box methods ask and the one with gradients."""
        return {side: (f"{side}.onnx", f"{side}.tuned") for side in self.sessions}


class AskedOfRuns(Asked):
    """The cases of a comparison; a case that the runs' models see differently is left out."""

    def __init__(self, pair: Pair, picked: Picked | None = None, *, lean: bool = False) -> None:
        self.pair = pair
        self.labels = {
            side: list(getattr(read_predictions(s.run, "onnx"), "labels", ())) for side, s in pair.sessions.items()
        }
        self._backgrounds: dict[str, Any] = {}
        super().__init__(pair, picked, lean=lean)  # type: ignore[arg-type]

    def _add(self, row: int, why: str) -> None:
        known = len(self.cases)
        super()._add(row, why)
        for case in self.cases[known:]:
            cuts = {side: self._cut(case, session) for side, session in self.pair.sessions.items()}
            if any(cut is None for cut in cuts.values()):
                self.cases.pop()
                self.left_out.append({"id": case["id"], "reason": "the models see different parts of it"})
            else:
                case["cuts"] = cuts

    def _cut(self, case: dict[str, Any], session: Session) -> Any:
        """The case cut for one run's model with the features of the first; None where that cannot be."""
        own, first = session.preparation, self.pair.preparation
        if own.to_json() == first.to_json():
            return case["cut"]
        picture = session.task.modality_name == "image"
        if picture and (own.resize != (own.height, own.width) or first.resize != (first.height, first.width)):
            return None  # cropped to different parts of the picture
        cut = self.modality.segment(case["example"].input, own, segments=self.pair.config.explain.segments)
        if picture:
            old = case["cut"].label
            rows, columns = (np.arange(n) * m // n for n, m in zip(cut.label.shape, old.shape, strict=True))
            label = old[rows[:, None], columns[None, :]]
            whole = len(np.unique(label)) == len(case["cut"].features)
            return dataclasses.replace(cut, features=case["cut"].features, label=label) if whole else None
        same = [(f.name, f.span) for f in cut.features] == [(f.name, f.span) for f in case["cut"].features]
        return cut if same else None

    def question(self, case: dict[str, Any], side: str) -> Question:
        """The case's question with the class numbers of one run's model."""
        asked: Question = case["question"]
        shared, own = getattr(self.after, "labels", ()), self.labels[side]
        if asked.target is None or not own or tuple(own) == tuple(shared):
            return asked
        against = None if asked.against is None else own.index(shared[asked.against])
        return dataclasses.replace(asked, target=own.index(shared[asked.target]), against=against)

    def background_of(self, side: str) -> Any:
        """The background rows (tables) of the run before, prepared for one run's model."""
        if self.chosen_background is None:
            return None
        if side not in self._backgrounds:
            places = self.chosen_background.places
            inputs = [self.pair.dataset.examples[int(i)].input for i in places]
            encoded = self.modality.encode(inputs, self.pair.sessions[side].preparation)
            self._backgrounds[side] = encoded.batch(np.arange(len(places)))
        return self._backgrounds[side]

    def probe(self, case: dict[str, Any], model: str) -> Any:
        """The case's question bound to a model, `SIDE.onnx` or `SIDE.tuned`."""
        side, _, kind = model.partition(".")
        session = self.pair.sessions[side]
        return bind(
            session.task,
            getattr(session, kind),
            session.preparation,
            case["example"],
            self.question(case, side),
            case["cuts"][side],
            filler=self.filler,
            background=self.background_of(side),
            weights=self.weights,
            hierarchy=self.hierarchy,
        )


def explain_all(
    asked: AskedOfRuns, methods: tuple[str, ...], notes: list[str]
) -> dict[str, dict[str, list[Attribution]]]:
    """Every case under every run's model with the same masks: side to method to attributions in order.

    A method that refuses a case is left out altogether; why goes to `notes`.
    """
    pair = asked.pair
    known = {name: find_method(name) for name in methods}
    refused: dict[str, str] = {}
    found: dict[str, dict[str, list[Attribution]]] = {side: {name: [] for name in methods} for side in pair.sessions}
    with pair.progress.task("explaining", len(asked.cases) * len(pair.sessions)) as bar:
        for case, banks in asked.banks(pair.models):
            for (side, (black_box, gradient)), bank in zip(pair.models.items(), banks, strict=True):
                for name, method in known.items():
                    if name in refused:
                        continue
                    probe = asked.probe(case, asked.model_for(case, method, black_box, gradient))
                    own = bank if method.uses_bank else None
                    try:
                        answer = run_explainer(method, probe, bank=own, seed=pair.config.seed, budget=asked.budget)
                    except Refusal as e:
                        refused[name] = e.message
                        continue
                    found[side][name].append(dataclasses.replace(answer, question=case["question"]))
                bar.advance(1)
    notes += [f"{known[name].title} was not compared: {why.rstrip('.')}." for name, why in refused.items()]
    return {side: {n: a for n, a in of_side.items() if n not in refused} for side, of_side in found.items()}


def usable_methods(sessions: Mapping[str, Session], notes: list[str]) -> tuple[str, ...]:
    """Methods that both runs' configs name; those with gradients only where every trained model is there."""
    first, second = (sessions[side].config.explain.methods for side in (BEFORE, AFTER))
    chosen = tuple(name for name in first if name in second) or first
    needing = [n for n in chosen if find_method(n).looks_inside]
    if not needing:
        return chosen
    for session in sessions.values():
        if session.gradients:  # the deployed file's own
            continue
        reason = unreadable(session)
        if session.audited:  # asked of the file as torch operators, where it answers alike
            twin = session.run.read_json("onnx/twin.json")
            reason = reason or ("" if twin["passed"] else str(twin["reason"]).rstrip("."))
        elif not session.run.has(_CHECKPOINT):
            reason = f"{session.run.path / _CHECKPOINT} is missing"
        if reason:
            notes.append(f"Methods that need gradients ({', '.join(needing)}) were left out: {reason}.")
            return tuple(n for n in chosen if n not in needing)
    return chosen


def unreadable(session: Session) -> str:
    """Why a run's data cannot be read any more; empty where it can."""
    try:
        session.dataset  # noqa: B018 - reads the source and compares it with what the run was prepared with
    except WorkbenchError as e:
        return e.message
    return ""
