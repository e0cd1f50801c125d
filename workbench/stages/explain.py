"""Explain: the same question, masks and filler put to the model before and the one that ships."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.asking import Asker
from workbench.bank import Bank, Growing, coalitions, grow
from workbench.coalitions import MOST
from workbench.errors import ConfigError
from workbench.explainers import Explainer, find_method
from workbench.records import read_predictions
from workbench.run import digest
from workbench.stages.background import Background, choose_background
from workbench.stages.described import describe_case
from workbench.stages.kept import Kept, answered
from workbench.stages.selection import choose_cases
from workbench.stages.session import SIDES, Models, Session, do_stage
from workbench.stages.written import Written
from workbench.tasks.binding import bind
from workbench.tasks.probability import asked_in
from workbench.types import Attribution, Predictions, Question

CUTS = 64  # cases whose cut into features is kept
TOGETHER = 16  # cases whose banks are asked at once, so that memory does not grow with their number
_MOST_TOGETHER = 256  # rows of a table, while all of them together ask no more than sixteen of the largest do
_LARGEST = 512 * 32  # model inputs that the bank of a table's row asks by default: masks times background rows
_PARTS = "onnx/.explained"  # where parts lie until all is explained
Picked = list[tuple[int, str]]  # rows of the predictions, and why
Told = Mapping[str, Predictions]  # by model what it says, where the run does not hold it yet


def explain(session: Session) -> bool:
    """Write `cases.json`, `previews/` and `<model>/attributions/`."""

    def work(entry: dict[str, Any]) -> None:
        for folder in ("previews", *(f"{m}/attributions" for m in ("base", "tuned", "onnx"))):
            shutil.rmtree(session.run.path / folder, ignore_errors=True)
        asked = Asked(session)
        methods = [find_method(name) for name in session.config.explain.methods]
        written = Written(session, asked)
        kept = Kept(session.run.path / _PARTS, digest([session.key("explain"), session.inputs("explain")]))
        try:
            with session.progress.task("explaining", len(asked.cases) * len(session.sides)) as bar:
                for case, sides in answered(asked, methods, kept):
                    written.case(case)
                    for (black_box, _), side in zip(session.sides.values(), sides, strict=True):
                        written.bank(black_box, case, side.outputs)
                        for method, (model, found) in zip(methods, side.found, strict=True):
                            if isinstance(found, str):
                                written.refuse(case, method, model, found)
                            else:
                                written.answer(model, method, found)
                        bar.advance(1)
            written.close()
        finally:
            written.discard()
        kept.remove()

    outputs = ("cases.json", "previews", "timings.json", *(f"{m}/attributions" for m in ("base", "tuned", "onnx")))
    return do_stage(session, "explain", work, (*outputs, "base/bank.safetensors", "onnx/bank.safetensors"))


class Case(dict[str, Any]):
    """One case: `id`, `row` of the predictions, `why`, `question`; `example` and `cut` are made when asked for.

    So thousands of cases weigh little.
    """

    def __init__(self, asked: Asked, **known: Any) -> None:
        super().__init__(known)
        self._asked = asked

    def __missing__(self, key: str) -> Any:
        made: dict[str, Callable[[str], Any]] = {
            "example": self._asked.session.dataset.by_id.__getitem__,
            "cut": self._asked.cut,
        }
        return made[key](self["id"])


class Asked:
    """The cases of a run: chosen (or `picked`), cut into features and ready to be asked of any of its models."""

    previews = "previews"  # folder of the pictures
    deadline: float | None = None

    def __init__(
        self, session: Session, picked: Picked | None = None, *, lean: bool = False, told: Told = MappingProxyType({})
    ) -> None:
        self.session, self.lean = session, lean
        settings, self.modality = session.config.explain, session.task.modality
        models = ("onnx",) if session.audited else ("base", "onnx")
        known = {m: told[m] if m in told else read_predictions(session.run, m) for m in models}
        self.before, self.after = known.get("base"), known["onnx"]
        self.filler = self.modality.choose_filler(settings.filler, session.preparation)
        table = session.task.modality_name == "table"  # rows cost little, texts and pictures much
        chosen = choose_background(session, self.modality, self.filler, settings.background) if table else None
        self.chosen_background: Background | None = chosen
        self.background = chosen.inputs if chosen else None
        self.weights = chosen.weights if chosen else None
        self.hierarchy = chosen.hierarchy if chosen else None
        samples = settings.samples if settings.samples is not None else 24 if table else 12
        self.budget = settings.budget or (512 if table else 256)
        self.asker = Asker(max_memory=int(settings.max_memory * 1e9))
        if picked is None:
            picked = choose_cases(self.before, self.after, samples=samples, ids=settings.ids, seed=session.config.seed)
        self.left_out: list[dict[str, str]] = []
        self.cut = lru_cache(CUTS)(self._cut_of)
        self.cases: list[dict[str, Any]] = []
        for row, why in picked:
            self._add(row, why)

    def _add(self, row: int, why: str) -> None:
        session = self.session
        example = session.dataset.by_id[str(self.after.ids[row])]
        features = len(self.cut(example.id).features)
        if not 2 <= features <= MOST:
            most = f", at most {MOST:,} can be" if features > MOST else ""
            reason = "it has 1 feature to hide" if features == 1 else f"it has {features:,} features to hide{most}"
            self.left_out.append({"id": example.id, "reason": reason})
            return
        question = self._question(row)
        if question is None:
            against = session.config.explain.against
            self.left_out.append({"id": example.id, "reason": f"it was decided {against}, with which to contrast"})
            return
        self.cases.append(Case(self, id=example.id, row=row, why=why, question=question))

    def _cut_of(self, name: str) -> Any:
        """An example cut into features."""
        given = self.session.dataset.by_id[name].input
        return self.modality.segment(given, self.session.preparation, segments=self.session.config.explain.segments)

    def _question(self, row: int) -> Question | None:
        task, settings = self.session.task, self.session.config.explain
        if settings.question == "predicted":
            return asked_in(task.question(self.after, row), self.unit)
        if task.contrast is None:
            raise ConfigError(
                f"explain.question = 'contrast', but {task.name} gives no one class", hint="set it to 'predicted'"
            )
        found = task.contrast(self.after, row, settings.against)
        return found and asked_in(found, self.unit)

    @property
    def unit(self) -> str:
        """In what questions about classes are asked: "probability", or empty for logits."""
        return self.session.unit

    @property
    def filler_text(self) -> str:
        text = self.modality.FILLERS[self.filler]
        return text if self.background is None else f"{text}; {len(next(iter(self.background.values())))} rows"

    def filler_of(self, method: Explainer, answer: Attribution) -> str:
        """What stood for hidden parts with one method: its own word for it, or nothing where it hides none."""
        if method.unitless:
            return ""
        own = str(answer.params.get("filler", ""))
        return self.filler_text if own == self.modality.FILLERS[self.filler] else own

    def probe(self, case: dict[str, Any], model: str) -> Any:
        """The case's question bound to one of the run's models."""
        return self.bound(case, getattr(self.session, "asked_base" if model == "base" else model))

    def bound(self, case: dict[str, Any], backbone: Any) -> Any:
        """The case's question bound to any backbone."""
        return bind(
            self.session.task,
            backbone,
            self.session.preparation,
            case["example"],
            case["question"],
            case["cut"],
            filler=self.filler,
            background=self.background,
            weights=self.weights,
            hierarchy=self.hierarchy,
        )

    def budget_of(self, case: dict[str, Any]) -> int:
        """The most coalitions of a case's bank; a lean one is exact for effects of single parts and of pairs."""
        return min(self.budget, 2 * len(case["cut"].features) + 2) if self.lean else self.budget

    def model_for(self, case: dict[str, Any], method: Explainer, deployed: str, trained: str) -> str:
        """Which of two models a method asks: the deployed file where it offers what the method needs."""
        return deployed if method.needs <= self.probe(case, deployed).offers else trained

    def seed(self, case: dict[str, Any]) -> list[int]:
        """Of a case's masks, the same for every model."""
        return [self.session.config.seed, case["row"]]

    def coalitions(self, case: dict[str, Any], size: int) -> Any:
        """The masks of a case's bank of `size` answers."""
        return coalitions(len(case["cut"].features), size, np.random.default_rng(self.seed(case)))

    def parts(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The cases in parts that are asked at once, with the place of each part's first.

        After `explain.max_seconds` the cases that are left are moved to `left_out`.
        """
        settings = self.session.config.explain
        self.deadline = time.monotonic() + settings.max_seconds if settings.max_seconds else None
        cases, self.cases = self.cases, []
        together = self._together(cases)
        for start in range(0, len(cases), together):
            part = cases[start : start + together]
            if start and self.deadline is not None and time.monotonic() > self.deadline:
                reason = f"the {settings.max_seconds:g} seconds of explain.max_seconds were over"
                self.left_out += [{"id": c["id"], "reason": reason} for c in cases[start:]]
                return
            self.cases += part
            yield start, part

    def _together(self, cases: list[dict[str, Any]]) -> int:
        """How many cases make a part: rows of few columns have small banks, and more of them fit."""
        if self.background is None or not cases:
            return TOGETHER
        masks = min(2 ** len(cases[0]["cut"].features), self.budget)
        inputs = masks * len(next(iter(self.background.values())))
        return max(TOGETHER, min(_MOST_TOGETHER, TOGETHER * _LARGEST // inputs))

    def grown(self, part: list[dict[str, Any]], models: Models) -> list[list[Bank]]:
        """Of some cases the banks, one a side of `models`; all are asked at once."""
        jobs = [
            Growing([self.probe(c, black_box) for black_box, _ in models.values()], self.budget_of(c), self.seed(c))
            for c in part
        ]
        return grow(jobs, enough=self.enough, asker=self.asker, deadline=self.deadline)

    def banks(self, models: Models = SIDES) -> Iterator[tuple[dict[str, Any], list[Bank]]]:
        """Every case with its banks, one a side of `models`."""
        for _, part in self.parts():
            yield from zip(part, self.grown(part, models), strict=True)

    @property
    def enough(self) -> Callable[[Bank], bool] | None:
        """When a bank need not grow; None where the whole budget is used."""
        return self._precise if self.session.config.explain.width else None

    def _precise(self, bank: Bank) -> bool:
        """Whether every Shapley value is known to the asked share of the largest."""
        from workbench.explainers.shap import paired_regression

        values, half, _ = paired_regression(bank)
        return half is not None and bool(half.max() <= self.session.config.explain.width * np.abs(values).max())

    def about(self) -> dict[str, Any]:
        """How the cases were chosen, for cases.json."""
        shares = {
            w: sum(c["why"] == w for c in self.cases) for w in ("asked for", "wrong", "changed", "unsure", "right")
        }
        counted = ", ".join(f"{n} {w}" for w, n in shares.items() if n)
        return {
            "modality": self.session.task.modality_name,
            "filler": self.filler_text,
            "selection": f"{len(self.cases)} examples of the test split{counted and ': '}{counted}."
            if not self.session.config.explain.ids
            else f"{len(self.cases)} examples that were asked for.",
            "left_out": self.left_out,
        }

    def describe(self) -> dict[str, Any]:
        """Content of cases.json; pictures are written to previews/ on the way."""
        return self.about() | {"cases": [self.described(i, c) for i, c in enumerate(self.cases)]}

    def described(self, number: int, case: dict[str, Any]) -> dict[str, Any]:
        """A case as the report reads it; its picture is written on the way."""
        return describe_case(self, number, case)


def shapley_values(bank: Bank) -> np.ndarray:
    """Shapley values of a bank's features, (M,)."""
    from workbench.explainers.shap import exact_shapley, paired_regression

    return exact_shapley(bank) if bank.coalitions.exact else paired_regression(bank)[0]
