"""What an explainer is, and the one wrapper through which every explainer is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from workbench import registry
from workbench.bank import Bank, coalitions, evaluate
from workbench.errors import ExplainError, Refusal, WorkbenchError
from workbench.probe import Probe
from workbench.types import Attribution

BUDGET = 512
INSIDE = frozenset({"gradient", "module", "attention", "estimator"})


@dataclass(frozen=True)
class Explanation:
    """What an explainer's function returns.

    Attributes:
        values: (M,) in the question's unit.
        low: (M,) lower end of a 95 % interval, or None.
        high: (M,) upper end, or None.
        dense: a map at the input's own resolution, or None.
        base_score: the answer to "nothing" as this method understands it; None takes the probe's.
        score: the answer to the example; None takes the probe's.
        evaluations: runs of the model beyond the bank's.
        facts: what the method found out about itself, for the report and the quality card.
    """

    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dense: np.ndarray | None = None
    base_score: float | None = None
    score: float | None = None
    evaluations: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


# A pure function (probe, *, bank: Bank | None, rng: np.random.Generator, **knobs) -> Explanation.
Explain = Callable[..., Explanation]


@dataclass(frozen=True)
class Explainer:
    """One explanation method.

    Attributes:
        name: as in the registry.
        title: as in a heading.
        caption: one sentence that says what its values mean.
        library: the package that computes it; empty where the workbench does.
        needs: what the probe has to offer ("score", "gradient").
        uses_bank: whether it answers from a mask bank.
        explain: the function.
        complete: whether its values claim to sum to score - base_score.
        unitless: whether its values are in no unit, comparable with each other only.
        samples: whether it draws coalitions of its own and takes a `budget` of them.
        claims: the solution whose closed forms its values must meet: "shapley", "owen", "path",
            "trees" (Shapley values of trees) or none.
    """

    name: str
    title: str
    caption: str
    library: str
    needs: frozenset[str]
    uses_bank: bool
    explain: Explain
    complete: bool
    unitless: bool = False
    samples: bool = False
    claims: str = ""

    @property
    def looks_inside(self) -> bool:
        """Whether it asks the trained network, as the deployed file shows no gradient and no layer."""
        return bool(self.needs & INSIDE)


def find_method(name: str) -> Explainer:
    """The explainer or control of a name; an unknown one is an error with a suggestion."""
    method: Explainer = registry.load("controls" if name in registry.names("controls") else "explainers", name)
    return method


def run_explainer(
    explainer: Explainer,
    probe: Probe,
    *,
    bank: Bank | None = None,
    seed: int,
    budget: int = BUDGET,
    **params: Any,
) -> Attribution:
    """Answer one question with one method.

    Args:
        explainer: the method.
        probe: the question bound to an example and a backbone.
        bank: answers to coalitions that are already known; without it a method that needs
            them asks for at most `budget`.
        seed: decides everything random.
        budget: coalitions, where no bank is given or the method draws its own.
        params: knobs of the method.

    Returns:
        The attribution. `evaluations` and `seconds` are what the method costs alone, the
        bank's share included. `params` holds `library`, the knobs and the method's facts.

    Raises:
        Refusal: the probe lacks what the method needs, or the method cannot answer truthfully.
        ExplainError: the bank belongs to another question, or the values are not finite.
    """
    if missing := explainer.needs - probe.offers:
        raise _lacking(explainer.name, missing)
    if not probe.features:
        raise ExplainError(f"example {probe.example_id!r} has no feature to hide", hint="choose another example")
    rng = np.random.default_rng(seed)
    if explainer.uses_bank:
        bank = bank or evaluate(probe, coalitions(len(probe.features), budget, rng))
    if bank is not None:
        bank.require(probe)
    own: dict[str, Any] = {"budget": budget} if explainer.samples else {}
    start = time.perf_counter()
    try:
        found = explainer.explain(probe, bank=bank if explainer.uses_bank else None, rng=rng, **own, **params)
    except WorkbenchError:
        raise
    except (ArithmeticError, ValueError, RuntimeError) as e:  # numerical failures of the libraries
        raise ExplainError(
            f"{explainer.name} failed on example {probe.example_id!r}: {type(e).__name__}: {e}",
            hint="set WORKBENCH_DEBUG=1 for the traceback",
        ) from e
    seconds = time.perf_counter() - start + (bank.seconds if bank and explainer.uses_bank else 0.0)
    values = np.asarray(found.values, dtype=np.float64)
    if values.shape != (len(probe.features),) or not np.isfinite(values).all():
        raise ExplainError(
            f"{explainer.name} gave values of shape {values.shape}, {int((~np.isfinite(values)).sum())} of them "
            f"not finite, for the {len(probe.features)} features of example {probe.example_id!r}",
            hint="check that the model's answers and gradients are finite",
        )
    base, score = _ends(found, probe, bank)
    return Attribution(
        explainer=explainer.name,
        example_id=probe.example_id,
        question=probe.question,
        features=probe.features,
        values=values,
        low=found.low,
        high=found.high,
        base_score=base,
        score=score,
        gap=abs(float(values.sum()) - (score - base)) if explainer.complete else None,
        evaluations=found.evaluations + (len(bank.scores) if bank and explainer.uses_bank else 0),
        seconds=seconds,
        seed=seed,
        params={"library": _library(explainer), "filler": probe.filler, **own, **params, **found.facts},
        dense=found.dense,
    )


def _lacking(name: str, missing: frozenset[str]) -> Refusal:
    if missing == {"estimator"}:
        why = "reads decision trees that add up to the answer, and this model has none"
    else:
        why = f"needs {' and '.join(sorted(missing))}, which this model or input does not offer"
    return Refusal(f"{name} {why}", hint="use a method that needs only scores: shap or lime")


def _ends(found: Explanation, probe: Probe, bank: Bank | None) -> tuple[float, float]:
    if found.base_score is not None and found.score is not None:
        return found.base_score, found.score
    if bank is not None:
        return bank.base_score, bank.score
    m = len(probe.features)
    base, score = probe.score(np.stack([np.zeros(m, dtype=bool), np.ones(m, dtype=bool)]))
    return float(base), float(score)


def _library(explainer: Explainer) -> str:
    return f"{explainer.library} {version(explainer.library)}" if explainer.library else "none"
