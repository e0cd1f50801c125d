"""Asking a run's models the same questions again: other weights, another class, a changed input."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.bank import Bank, coalitions, evaluate
from workbench.errors import ExplainError, Refusal
from workbench.explainers import find_method, run_explainer
from workbench.probe import Probe
from workbench.stages.explain import Asked
from workbench.tasks.binding import bind
from workbench.types import Attribution

OFF = "It was switched off in the config ([assess])."

Answers = Mapping[str, list[tuple[str, str, Attribution]]]


class Asking:
    """The cases of a run, its methods, and what they answered of the model after.

    Args:
        asked: the cases.
        answers: by example (model, explainer, attribution) of the model after.
        banks: by example the answers of the deployed file to the case's masks.
    """

    def __init__(self, asked: Asked, answers: Answers, banks: Mapping[str, np.ndarray]) -> None:
        self.asked, self.session, self.answers, self.banks = asked, asked.session, answers, banks
        self.settings = self.session.config.assess
        self.methods = {name: find_method(name) for name in self.session.config.explain.methods}
        self.facts: dict[str, Any] = {}

    def some(self, n: int) -> list[dict[str, Any]]:
        """At most n cases, evenly spread."""
        cases = self.asked.cases
        if not cases or not n:
            return []
        places = np.unique(np.linspace(0, len(cases) - 1, min(n, len(cases))).round().astype(int))
        return [cases[i] for i in places]

    def rng(self, case: dict[str, Any], purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.session.config.seed, case["row"], purpose])

    def own(self, case: Mapping[str, Any], name: str) -> Attribution | None:
        return next((a for _, n, a in self.answers.get(case["id"], []) if n == name), None)

    def bind(self, case: dict[str, Any], backbone: Any, **other: Any) -> Probe:
        asked, session = self.asked, self.session
        question, cut = other.get("question", case["question"]), other.get("cut", case["cut"])
        filler, background = other.get("filler", asked.filler), other.get("background", asked.background)
        weights = asked.weights if background is asked.background else None
        return bind(
            session.task, backbone, session.preparation, case["example"], question, cut,
            filler=filler, background=background, weights=weights, hierarchy=asked.hierarchy,
        )  # fmt: skip

    def run(self, name: str, probe: Probe, bank: Any) -> Attribution:
        return run_explainer(
            self.methods[name], probe, bank=bank, seed=self.session.config.seed, budget=self.asked.budget
        )

    def masks(self, case: dict[str, Any]) -> Any:
        """The masks of the case's bank."""
        return self.asked.coalitions(case, len(self.banks[case["id"]]))

    def few(self, case: dict[str, Any]) -> Any:
        """Masks of an explanation that need only rank the parts: no more than the case's bank has.

        All leave-one-outs and complements, and as many pairs more as a stand-in wants.
        """
        from workbench.kriging import SPARE

        m = len(case["cut"].features)
        return coalitions(m, min(2 * (m + SPARE) + 2, len(self.banks[case["id"]])), self.rng(case, 4))

    def explain(self, case: dict[str, Any], probe: Probe, failed: dict[str, str]) -> dict[str, np.ndarray]:
        """Every method on one probe; a method that fails on it is left out, with the reason in `failed`."""
        bank, found = None, {}
        for name, method in self.methods.items():
            try:
                if method.uses_bank and bank is None:
                    bank = evaluate(probe, self.few(case))
                found[name] = self.run(name, probe, bank if method.uses_bank else None).values
            except ExplainError as e:
                failed[name] = f"It failed on the model with random weights: {e.message}."
        return found

    def explain_after(
        self, case: dict[str, Any], black_box: Probe, bank: Bank | None, **other: Any
    ) -> dict[str, np.ndarray]:
        """Every method on the model after: the deployed file where it offers what a method needs, else the trained one.

        A method that refuses is left out.

        Args:
            case: the example.
            black_box: what is asked, bound to the deployed file.
            bank: its answers to masks; None where no method needs them.
            other: how what is asked differs from the case, as `bind` takes it.
        """
        found = {}
        for name, method in self.methods.items():
            probe = black_box if method.needs <= black_box.offers else self.bind(case, self.session.tuned, **other)
            with contextlib.suppress(Refusal):  # as it did of the case itself
                found[name] = self.run(name, probe, bank if method.uses_bank else None).values
        return found


def kept_bank(asked: Asked, case: dict[str, Any], probe: Probe, scores: Mapping[str, np.ndarray]) -> Bank:
    """The bank that `explain` asked, as the answers to the probe's question."""
    outputs = scores[case["id"]]
    chosen = asked.coalitions(case, len(outputs))
    return Bank(chosen, probe.answers(outputs), case["id"], probe.question.id, 0.0, outputs)
