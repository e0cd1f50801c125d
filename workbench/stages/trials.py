"""Trials: measures of an explanation that need more of the model than the masks of its own bank.

Each is taken of the model after customisation, on as many examples as `[assess]` says; a
measure that is not taken says why. The masks of every trial are the same for all methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from workbench.bank import Bank, evaluate_all
from workbench.explainers import run_explainer
from workbench.probe import Probe
from workbench.quality import faithfulness, sanity, stability
from workbench.stages.asking import OFF, Answers, kept_bank
from workbench.stages.explain import Asked
from workbench.stages.masking import Masking
from workbench.tasks.probability import asked_in
from workbench.types import Attribution, ClassScores, Question

RADIUS = 0.02  # standard deviations
_AFTER = "It is measured of the model after customisation only."
_NOT_BEFORE = (
    *("seed_stability", "seed_top_k", "seed_spread"),
    *("model_randomisation", "class_similarity", "max_sensitivity", "mask_unusual", "filler_spread"),
    *("second_deletion_skill", "second_comprehensiveness"),
)


class Trials(Masking):
    """What `[assess]` asks for, put to the cases of a run."""

    def __init__(self, asked: Asked, answers: Answers, banks: Mapping[str, np.ndarray]) -> None:
        super().__init__(asked, answers, banks)
        self._unchanging: dict[tuple[str, str], bool] = {}
        self._deviations: dict[str, float] = {}
        self._again: tuple[str, list[Bank | None]] | None = None

    # -- what a card takes from here ----------------------------------------------------

    def further(
        self, side: str, case: dict[str, Any], model: str, name: str, found: Attribution, probe: Probe, bank: Bank
    ) -> dict[str, float | str]:
        """Further measures of one explanation: a value, or the sentence that says why there is none."""
        if side != "after":
            return dict.fromkeys(_NOT_BEFORE, _AFTER)
        measures: dict[str, float | str] = self._stability(case, model, name, found, bank)
        measures["model_randomisation"] = self.randomised.get(name, OFF)
        for key, values, n, why in (
            ("class_similarity", self._others, self.settings.other_class, self._no_other),
            ("max_sensitivity", self._changes, self.settings.perturbed, self._no_change(name)),
        ):
            limited = why or f"It is measured on {min(n, len(self.asked.cases))} of the explained examples."
            measures[key] = values.get((case["id"], name), limited if n else OFF)
        measures["mask_unusual"] = self.mask_unusual(case)
        measures |= self.under_second(case, found, probe, bank)
        if self.settings.sensitivity_n:
            rng = self.rng(case, 9)
            for n, value in faithfulness.sensitivity_n(probe, found.values, rng).items():
                measures[f"sensitivity_{n}"] = value
        return measures

    # -- seeds --------------------------------------------------------------------------

    def _stability(
        self, case: dict[str, Any], model: str, name: str, found: Attribution, bank: Bank
    ) -> dict[str, float | str]:
        keys = ("seed_stability", "seed_top_k", "seed_spread")
        if self.settings.seeds < 2:
            return dict.fromkeys(keys, OFF)
        method = self.methods[name]
        if found.params.get("exact") is True or (not method.uses_bank and self._same_again(case, model, name, found)):
            return {"seed_stability": 1.0, "seed_top_k": 1.0, "seed_spread": 0.0}
        again = []
        for seed in range(self.settings.seeds):
            other = self._redrawn(case, bank, seed) if method.uses_bank else None
            if method.uses_bank and other is None:
                return dict.fromkeys(keys, "Every mask was sure to be drawn: nothing was left to chance.")
            # A method of the bank asks the model nothing, but the probe stands for the question.
            probe = self.asked.probe(case, model)
            again.append(
                run_explainer(
                    method, probe, bank=other, seed=self.session.config.seed + 1 + seed, budget=self.asked.budget
                ).values
            )
        same = stability.seed_stability(np.array(again))
        return {"seed_stability": same["rank"], "seed_top_k": same["top_k"], "seed_spread": same["spread"]}

    def _redrawn(self, case: dict[str, Any], bank: Bank, seed: int) -> Bank | None:
        """The case's bank drawn again, once for all methods."""
        if self._again is None or self._again[0] != case["id"]:
            rngs = (self.rng(case, 10 + s) for s in range(self.settings.seeds))
            self._again = (case["id"], [stability.redrawn(bank, rng) for rng in rngs])
        return self._again[1][seed]

    def _same_again(self, case: dict[str, Any], model: str, name: str, found: Attribution) -> bool:
        """Whether a method without a bank gives the same bits with another seed: tried on its first example."""
        if (model, name) not in self._unchanging:
            probe = self.asked.probe(case, model)
            seed = self.session.config.seed + 1
            again = run_explainer(self.methods[name], probe, seed=seed, budget=self.asked.budget)
            self._unchanging[model, name] = bool(np.array_equal(again.values, found.values))
        return self._unchanging[model, name]

    # -- random weights -----------------------------------------------------------------

    @cached_property
    def randomised(self) -> dict[str, float | str]:
        """Of each method, how alike its explanations stay on copies of the model with random weights, or why not."""
        own: dict[str, list[np.ndarray]] = {}
        other: dict[str, list[np.ndarray]] = {}
        failed: dict[str, str] = {}
        measures: dict[str, float | str] = {}
        why_not = str(str(getattr(self.session.tuned, "reason", ""))) if self.settings.randomised else ""
        if why_not:
            return measures | dict.fromkeys(self.methods, f"The file's weights cannot be drawn anew: {why_not}.")
        for case in self.some(self.settings.randomised):
            seed = int(self.rng(case, 3).integers(2**31))
            probe = self.bind(case, self._with_random_weights(seed))
            for name, values in self.explain(case, probe, failed).items():
                mine = self.own(case, name)
                if mine is not None:
                    own.setdefault(name, []).append(mine.values)
                    other.setdefault(name, []).append(values)
        for name in self.methods if self.settings.randomised else ():
            found = sanity.randomisation_similarity(own.get(name, []), other.get(name, []))
            why = failed.get(name, "No explained example has five parts or more.")
            measures[name] = found["similarity"] if found["n"] else why
            self.facts.setdefault("randomisation", {})[name] = {**found, "reason": "" if found["n"] else why}
        return measures

    def _with_random_weights(self, seed: int) -> Any:
        from workbench.backbones.randomised import randomised

        return randomised(self.session.tuned, seed)

    # -- another class --------------------------------------------------------------------

    @property
    def _no_other(self) -> str:
        return (
            ""
            if isinstance(self.asked.after, ClassScores)
            else "The answer is no choice of one, so no other class is next."
        )

    @cached_property
    def _others(self) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        after = self.asked.after
        if not isinstance(after, ClassScores):
            return found
        for case in self.some(self.settings.other_class):
            runner_up = int(np.argsort(-after.logits[case["row"]], kind="stable")[1])
            question = Question("logit", f"Why {after.labels[runner_up]}?", target=runner_up, unit="logit")
            question = asked_in(question, self.asked.unit)
            probe = self.bind(case, self.session.onnx, question=question)
            bank = kept_bank(self.asked, case, probe, self.banks)  # it holds the scores of every class
            for name, values in self.explain_after(case, probe, bank, question=question).items():
                mine = self.own(case, name)
                if mine is not None:
                    found[case["id"], name] = sanity.class_similarity(mine.values, values)
        return found

    # -- small changes --------------------------------------------------------------------

    @cached_property
    def _changes(self) -> dict[tuple[str, str], float]:
        changed: dict[tuple[str, str], list[np.ndarray]] = {}
        for case in self.some(self.settings.perturbed):
            rngs = [self.rng(case, 100 + draw) for draw in range(self.settings.draws)]
            for explained in self._explain_changed(case, rngs):
                for name, values in explained.items():
                    changed.setdefault((case["id"], name), []).append(values)
        found = {}
        for (example, name), moved in changed.items():
            mine = self.own({"id": example}, name)
            if mine is not None:
                found[example, name] = sanity.max_sensitivity(mine.values, moved)
        return found

    def _bank(self, case: dict[str, Any]) -> Bank:
        """The bank that explained the case."""
        return kept_bank(self.asked, case, self.asked.probe(case, "onnx"), self.banks)

    def _no_change(self, name: str) -> str:
        if self.session.task.modality_name == "text" and "gradient" not in self.methods[name].needs:
            return "A word cannot be changed by a little; only methods on embedded words are tried."
        return ""

    def _explain_changed(self, case: dict[str, Any], rngs: list[np.random.Generator]) -> list[dict[str, np.ndarray]]:
        kind = self.session.task.modality_name
        if kind == "text":
            if getattr(self.session.onnx, "slopes", None) is None and str(getattr(self.session.tuned, "reason", "")):
                return []
            names = [n for n, m in self.methods.items() if "gradient" in m.needs and not m.uses_bank]
            names = [n for n in names if self.own(case, n) is not None]
            return [self._explain_moved(case, names, rng) for rng in rngs]
        moved = [self._moved(case, rng) for rng in rngs]
        probes = [self.bind(case, self.session.onnx, cut=cut) for cut in moved]
        banks: list[Bank | None] = [None] * len(probes)
        if any(m.uses_bank for m in self.methods.values()):
            own, masks = self._bank(case), self.masks(case)
            # What moves is what the answers move, not the choice of the stand-in's knobs.
            banks = [bank.like(own) for bank in evaluate_all([(probe, masks) for probe in probes])]
        both = zip(moved, probes, banks, strict=True)
        return [self.explain_after(case, probe, bank, cut=cut) for cut, probe, bank in both]

    def _explain_moved(
        self, case: dict[str, Any], names: Sequence[str], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Gradient methods at the embedded words moved by at most `RADIUS` deviations, all by the same."""
        found: dict[str, np.ndarray] = {}
        noise: np.ndarray | None = None
        for name in names:
            probe = self.asked.probe(case, self.asked.model_for(case, self.methods[name], "onnx", "tuned"))
            if probe.differentiable is None:
                continue
            form = probe.differentiable()
            if noise is None:
                reach = RADIUS * float(form.point.std(ddof=1))
                noise = rng.uniform(-1, 1, form.point.shape) * reach
            moved = replace(form, point=(form.point + noise).astype(form.point.dtype))
            found[name] = self.run(name, replace(probe, differentiable=lambda there=moved: there), None).values
        return found

    def _moved(self, case: dict[str, Any], rng: np.random.Generator) -> Any:
        """The example's cut with its numbers or pixels moved by at most `RADIUS` deviations."""
        cut, preparation = case["cut"], self.session.preparation
        if self.session.task.modality_name == "image":
            reach = RADIUS * np.array(preparation.std) / preparation.scale
            return replace(cut, frame=cut.frame + rng.uniform(-1, 1, cut.frame.shape) * reach)
        row = dict(case["example"].input)
        for column in preparation.columns:
            value = row.get(column.name)
            if column.kind == "numeric" and value is not None and math.isfinite(value):
                row[column.name] = value + RADIUS * self._deviation(column.name) * rng.uniform(-1, 1)
        return self.asked.modality.segment(row, preparation)

    def _deviation(self, column: str) -> float:
        if column not in self._deviations:
            cells = [self.session.dataset.examples[int(i)].input.get(column) for i in self.session.rows("train")]
            values = np.array([np.nan if c is None else float(c) for c in cells])
            self._deviations[column] = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        return self._deviations[column]
