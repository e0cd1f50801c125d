"""The quality card: how far one explanation can be trusted, as numbers, a light and reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.bank import Bank, remember
from workbench.probe import Probe
from workbench.quality import faithfulness as f
from workbench.quality.complexity import effective_features, entropy, gini
from workbench.quality.thresholds import LIGHTS, SENTENCES, light
from workbench.types import Attribution

STEPS, ORDERS = 20, 10
FEWEST_STEPS = 5
FEWEST_TO_ORDER = 5  # with 4 features even the best order is drawn by lot once in 24
FEWEST_TO_JUDGE = 10  # held-out coalitions


def steps_of(bank: Bank) -> np.ndarray:
    """Numbers of hidden features at which a card looks at orders, (K,), symmetric.

    A small bank asks for coarser curves: 2 (orders + 1) curves take about as many coalitions as it holds.
    """
    most = len(bank.scores) // (2 * (ORDERS + 1)) + 1
    return f.grid(bank.coalitions.features, int(np.clip(most, FEWEST_STEPS, STEPS)))


def quality_card(
    probe: Probe,
    attribution: Attribution,
    *,
    bank: Bank,
    rng: np.random.Generator,
    further: Mapping[str, float | str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Measure one attribution against the model it explains.

    Asks for about as many coalitions anew as the bank holds, most of them for random orders.
    These depend on `rng` alone: give every method of an example the same seed and one probe
    from `workbench.bank.remember`, and they are asked once.

    Args:
        probe: the question the attribution answers.
        attribution: of any method; what the method knows of itself is read from its params
            (`held_out_r2`, `local_error`, `converged`, `determined`).
        bank: answers to coalitions of this question; its held-out rows judge.
        rng: random orders and ties.
        further: measures taken elsewhere, each a value or the sentence that says why there
            is none; those with a threshold count for the light.

    Returns:
        `measures` {name: float or None}; `light` "good", "fair" or "poor", the worst of the
        measures in `THRESHOLDS`; `reasons` [sentence], the worst first; `missing`
        {measure: sentence} for every None.

    Raises:
        ExplainError: the bank is of another question.
    """
    bank.require(probe)
    asked, count = remember(probe, bank)
    measures: dict[str, float | None] = {}
    missing: dict[str, str] = {}

    def keep(name: str, value: Any, why: str) -> None:
        value = None if value is None or not math.isfinite(value) else float(value)
        measures[name] = value
        if value is None:
            missing[name] = why

    _order_measures(asked, attribution.values, bank, rng, keep)
    _claim_measures(asked, attribution, bank, rng, keep)
    _own_measures(attribution, keep)
    measures["evaluations"] = float(count())
    for name, value in further.items():
        keep(name, None if isinstance(value, str) else value, value if isinstance(value, str) else "It is not defined.")
    verdicts = _verdicts(measures, attribution, bank)
    worst = max((LIGHTS.index(light) for light, _ in verdicts), default=1)
    reasons = [text for _, text in sorted(verdicts, key=lambda v: -LIGHTS.index(v[0]))]
    if not verdicts:
        reasons = ["It has too few parts to be put to the test."]
    return {"measures": measures, "light": LIGHTS[worst], "reasons": reasons, "missing": missing}


def _order_measures(probe: Probe, values: np.ndarray, bank: Bank, rng: np.random.Generator, keep: Any) -> None:
    m = len(values)
    counts = steps_of(bank)
    steps = len(counts) - 1
    drawn = np.random.default_rng(rng.integers(2**63))
    strict = -np.argsort(f.ranking(values, rng)).astype(np.float64)  # ties broken once, for every measure
    probe.score(f.along(strict, rng, counts))
    skill = f.order_skill(probe, strict, drawn, steps=steps, orders=ORDERS)
    same = "Every order of hiding the parts does equally well."
    beaten = skill.pop("orders_beaten")
    for name, value in skill.items():
        keep(name, value, "The answer does not change when parts are hidden.")
    few = f"With {m} parts any order is soon drawn by lot."
    keep("orders_beaten", beaten if m >= FEWEST_TO_ORDER else math.nan, same if m >= FEWEST_TO_ORDER else few)
    keep("aopc", f.aopc(probe, strict, rng, counts=counts)["aopc"], "")
    keep("comprehensiveness", f.comprehensiveness(probe, strict, rng), "")
    keep("sufficiency", f.sufficiency(probe, strict, rng), "")
    keep("monotonicity", f.monotonicity(probe, strict, rng, steps=steps), "")
    one = f.sensitivity_n(probe, values, rng, sizes=(1,))[1] if len(bank.scores) >= 2 * m + 2 else math.nan
    why = "The values or the answers do not vary." if len(bank.scores) >= 2 * m + 2 else "It would cost too much here."
    keep("sensitivity_1", one, why)


def _claim_measures(probe: Probe, found: Attribution, bank: Bank, rng: np.random.Generator, keep: Any) -> None:
    held = bank.coalitions.held_out
    # A complete bank of few features holds out too little; then all of it judges but its two ends.
    rows = held if held.sum() >= FEWEST_TO_JUDGE else np.arange(len(held)) >= 2
    enough = int(rows.sum()) >= FEWEST_TO_JUDGE
    why = "The values or the answers do not vary." if enough else "There are too few coalitions to judge by."
    masks = bank.masks[rows] if enough else bank.masks[:0]
    correlation = f.faithfulness_correlation(probe, found.values, rng, masks=masks) if enough else math.nan
    keep("faithfulness_correlation", correlation, why)
    wrong = f.infidelity(probe, found.values, rng, masks=masks) if enough else {"raw": math.nan, "relative": math.nan}
    keep("infidelity", wrong["raw"], why)
    keep("infidelity_relative", wrong["relative"], why)


def _own_measures(found: Attribution, keep: Any) -> None:
    none = "All values are 0."
    keep("entropy", entropy(found.values), none)
    keep("effective_features", effective_features(found.values), none)
    keep("gini", gini(found.values), none)
    gap = found.gap
    keep("gap", gap, "The method does not claim to add up.")
    share = math.nan if gap is None else f.relative_gap(gap, found.score - found.base_score)["relative"]
    keep(
        "relative_gap",
        share,
        "The method does not claim to add up." if gap is None else "Hiding everything hardly changes the answer.",
    )
    for name in ("held_out_r2", "local_error"):
        keep(
            name,
            found.params.get(name),
            "Nothing was held out, or it does not vary." if name in found.params else "The method fits no surrogate.",
        )
    largest = float(np.abs(found.values).max(initial=0))
    if found.low is None or found.high is None:
        keep("interval_share", None, "The method gives no interval.")
    else:
        width = float(np.mean(found.high - found.low)) / 2
        keep("interval_share", width / largest if largest else math.nan, none)


def _not_converged(found: Attribution) -> str:
    gap, tolerance, error = (found.params.get(name) for name in ("largest_gap", "tolerance", "error"))
    if error is not None and gap is not None and gap <= tolerance:
        return f"It has not converged: its values are off by about {error:.0%} of their length."
    if found.gap is None:
        return "It has not converged."
    return f"It has not converged: its values miss the answer by {found.gap:.3g}."


def _verdicts(measures: Mapping[str, float | None], found: Attribution, bank: Bank) -> list[tuple[str, str]]:
    verdicts: list[tuple[str, str]] = []
    if np.ptp(bank.scores) == 0:
        verdicts.append(("poor", "The answer does not change whatever is hidden: there is nothing to explain."))
    elif np.abs(found.values).max() <= 1e-9 * np.ptp(bank.scores):
        verdicts.append(("poor", "All its values are 0, yet hiding parts changes the answer."))
    if found.params.get("converged") is False:
        verdicts.append(("poor", _not_converged(found)))
    if found.params.get("determined") is False:
        verdicts.append(("poor", f"Its {found.evaluations} evaluations are too few for {len(found.values)} parts."))
    for name, sentences in SENTENCES.items():
        value = measures.get(name)
        if value is None:
            continue
        small = name == "relative_gap" and (found.gap or 0.0) <= 1e-3
        judged = "good" if small else light(name, value)
        lots = 2 * ORDERS
        text = sentences[LIGHTS.index(judged)].format(value=value, lots=lots, lost=round(lots * (1 - value)))
        if name == "interval_share" and found.params.get("exact") is True:
            text = "Its values are exact: every combination of parts was put to the model."
        verdicts.append((judged, text))
    return verdicts
