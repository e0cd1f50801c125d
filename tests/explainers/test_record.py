"""The wrapper through which every explainer runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from games import additive, game, net

from workbench.bank import Bank, coalitions, evaluate
from workbench.errors import ExplainError
from workbench.explainers import Explainer, Explanation, run_explainer
from workbench.explainers.lime import LIME
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe


def constant(values: object, **more: object) -> Explainer:
    def explain(probe: Probe, *, bank: Bank | None, rng: np.random.Generator, knob: int = 1) -> Explanation:
        return Explanation(np.asarray(values, dtype=float), facts={"knob_squared": knob**2}, evaluations=3)

    facts = {"name": "mine", "title": "Mine", "caption": "Mine.", "library": "", "needs": frozenset({"score"})}
    return Explainer(**{**facts, "uses_bank": False, "explain": explain, "complete": True, **more})


def test_the_wrapper_adds_gap_scores_knobs_facts_and_provenance() -> None:
    found = run_explainer(constant([1, 2]), additive(np.array([1.0, 3.0]), base=5), seed=7, knob=4)
    assert (found.base_score, found.score, found.gap) == (5, 9, 1)
    assert found.params == {"library": "none", "filler": "nothing", "knob": 4, "knob_squared": 16}
    assert (found.explainer, found.example_id, found.seed, found.evaluations) == ("mine", "game", 7, 3)
    assert found.seconds >= 0 and found.question.id == "value" and len(found.features) == 2


def test_methods_share_a_bank_and_count_its_evaluations() -> None:
    probe = net(np.random.default_rng(0), 12)
    bank = evaluate(probe, coalitions(12, 200, np.random.default_rng(0)))
    silent = replace(probe, answer=lambda batch: pytest.fail("the bank already knows"))
    for explainer in (SHAPLEY, LIME):
        found = run_explainer(explainer, silent, bank=bank, seed=0)
        assert found.evaluations == 200 and found.seconds >= bank.seconds
        assert (found.base_score, found.score) == (bank.base_score, bank.score)


def test_a_bank_of_another_question_is_refused() -> None:
    probe = additive(np.ones(4))
    bank = evaluate(probe, coalitions(4, 16, np.random.default_rng(0)))
    with pytest.raises(ExplainError, match="bank holds the answers of example 'game'"):
        run_explainer(SHAPLEY, replace(probe, example_id="other"), bank=bank, seed=0)


def test_values_of_the_wrong_shape_or_not_finite_are_refused() -> None:
    for values in ([1, 2, 3], [1, np.nan]):
        with pytest.raises(ExplainError, match="mine gave values"):
            run_explainer(constant(values), additive(np.ones(2)), seed=0)


def test_an_input_without_features_is_refused() -> None:
    with pytest.raises(ExplainError, match="no feature to hide"):
        run_explainer(constant([]), game(lambda z: z.sum(axis=1), 0), seed=0)


def test_numerical_failures_are_translated_and_bugs_are_not() -> None:
    def singular(probe: Probe, **_: object) -> Explanation:
        raise np.linalg.LinAlgError("singular matrix")

    def bug(probe: Probe, **_: object) -> Explanation:
        raise KeyError("typo")

    with pytest.raises(ExplainError, match="mine failed on example 'game': LinAlgError: singular matrix"):
        run_explainer(constant([0], explain=singular), additive(np.ones(1)), seed=0)
    with pytest.raises(KeyError):
        run_explainer(constant([0], explain=bug), additive(np.ones(1)), seed=0)


def test_loading_every_explainer_and_the_card_loads_no_heavy_library() -> None:
    code = (
        "import sys, workbench.quality.card, workbench.quality.agreement, workbench.registry as r\n"
        "for table in ('explainers', 'controls'):\n"
        "    for name in r.TABLES[table]: r.load(table, name)\n"
        "print(sorted({'torch', 'captum', 'shap', 'lime', 'sklearn', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
