"""From which value on a measure is good, fair or poor, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LIGHTS = ("good", "fair", "poor")

THRESHOLDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "orders_beaten": {
            "good": 1.0,
            "fair": 0.95,
            "better": "higher",
            "text": "Share of orders drawn by lot (10, forwards and backwards) that hiding and revealing the parts "
            "by this explanation beats. An explanation that knows nothing beats all of them once in 22.",
        },
        "model_randomisation": {
            "good": 0.5,
            "fair": 0.5,
            "better": "lower",
            "text": "Mean size of the rank correlation between explanations of the model and explanations of copies "
            "of it with all weights drawn anew (Adebayo 2018). A method whose answer survives that does not look at "
            "the model. One value for each method of a run.",
        },
        "faithfulness_correlation": {
            "good": 0.7,
            "fair": 0.4,
            "better": "higher",
            "text": "Correlation of what the values say hiding parts takes away with what it does, on coalitions "
            "held out from every fit (Bhatt 2020).",
        },
        "held_out_r2": {
            "good": 0.8,
            "fair": 0.5,
            "better": "higher",
            "text": "Share of the answer's variation that the linear surrogate predicts on coalitions it was not "
            "fitted to.",
        },
        "relative_gap": {
            "good": 0.01,
            "fair": 0.05,
            "better": "lower",
            "text": "What the values miss of the difference that they claim to add up to. A gap below 0.001 in the "
            "question's unit is good whatever its share.",
        },
        "interval_share": {
            "good": 0.15,
            "fair": 0.4,
            "better": "lower",
            "text": "Mean half width of the 95 % intervals over the largest value.",
        },
        "seed_stability": {
            "good": 0.9,
            "fair": 0.6,
            "better": "higher",
            "text": "Mean rank correlation of the method with itself over seeds: other masks, the same model, the "
            "same example. Masks are drawn anew from those that were evaluated.",
        },
        "class_similarity": {
            "good": 0.5,
            "fair": 0.9,
            "better": "lower",
            "text": "Rank correlation with the same method's explanation of the runner-up class (Sixt 2020). Near 1 "
            "the explanation says where the model looks, not what speaks for this class.",
        },
        "max_sensitivity": {
            "good": 0.3,
            "fair": 1.0,
            "better": "lower",
            "text": "Largest change of the explanation, as a share of its size, after changes of the input of at most "
            "0.02 standard deviations (Yeh 2019). The largest of few draws is a lower bound.",
        },
        "filler_spread": {
            "good": 0.15,
            "fair": 0.3,
            "better": "lower",
            "text": "Difference of the deletion skill under the two fillers: how much the verdict depends on what "
            "stands for a hidden part.",
        },
    }
)

SENTENCES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "orders_beaten": (
            "Hiding the parts it names changes the answer more than hiding them in any of {lots} random orders.",
            "Hiding the parts it names changes the answer more than all but one of {lots} random orders.",
            "It does no better than hiding the parts at random: {lost} of {lots} random orders do as well or better.",
        ),
        "model_randomisation": (
            "It changes when the model's weights are drawn anew (rank correlation {value:.2f} in size).",
            "",
            "The method is not model-sensitive: with all weights drawn anew it says nearly the same "
            "(rank correlation {value:.2f} in size).",
        ),
        "faithfulness_correlation": (
            "Its values foretell what hiding parts does (correlation {value:.2f}).",
            "Its values foretell only roughly what hiding parts does (correlation {value:.2f}).",
            "Its values do not foretell what hiding parts does (correlation {value:.2f}).",
        ),
        "held_out_r2": (
            "The surrogate describes the model on combinations it was not fitted to (R2 {value:.2f}).",
            "The surrogate describes the model only roughly on combinations it was not fitted to (R2 {value:.2f}).",
            "The surrogate does not describe the model here (R2 {value:.2f} on combinations it was not fitted to).",
        ),
        "relative_gap": (
            "The values add up to the answer (gap {value:.1%}).",
            "The values nearly add up to the answer (gap {value:.1%}).",
            "The values do not add up to the answer (gap {value:.1%}).",
        ),
        "interval_share": (
            "Its intervals are narrow: half a width is {value:.0%} of the largest value.",
            "Its intervals are wide: half a width is {value:.0%} of the largest value.",
            "Its intervals are too wide to rank the parts: half a width is {value:.0%} of the largest value.",
        ),
        "seed_stability": (
            "It gives the same ranking with other seeds (rank correlation {value:.2f}).",
            "Its ranking shifts with the seed (rank correlation {value:.2f}).",
            "Its ranking depends on the seed (rank correlation {value:.2f}).",
        ),
        "class_similarity": (
            "It is about this class: for the runner-up it says something else (rank correlation {value:.2f}).",
            "It is partly about any class: for the runner-up it says something alike (rank correlation {value:.2f}).",
            "It is not about this class: for the runner-up it says the same (rank correlation {value:.2f}).",
        ),
        "max_sensitivity": (
            "Small changes of the input change it little (by {value:.0%} at most).",
            "Small changes of the input change it (by up to {value:.0%}).",
            "Small changes of the input change it altogether (by up to {value:.0%}).",
        ),
        "filler_spread": (
            "It passes the same under a second filler (deletion skill {value:.2f} apart).",
            "How well it does depends on the filler (deletion skill {value:.2f} apart).",
            "How well it does depends strongly on the filler (deletion skill {value:.2f} apart).",
        ),
    }
)


def light(measure: str, value: float) -> str:
    """The light of one measure by `THRESHOLDS`."""
    row = THRESHOLDS[measure]
    sign = 1 if row["better"] == "higher" else -1
    for name in ("good", "fair"):
        if sign * value >= sign * row[name] - 1e-12:
            return name
    return "poor"
