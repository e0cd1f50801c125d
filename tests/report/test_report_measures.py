"""Quality cards as tables: every measure is there, or the reason why not."""

from __future__ import annotations

import pytest

from workbench.quality.thresholds import THRESHOLDS, light
from workbench.report.measures import MEASURES, card_table, meanings, measure_title, trials_table

AFTER = {
    "measures": {
        "orders_beaten": 1.0,
        "aopc": 2.5,
        "seed_stability": 0.7,
        "max_sensitivity": None,
        "sensitivity_4": 0.9,
    },
    "missing": {"max_sensitivity": "It is measured on 3 of the explained examples.", "rationale_f1": "Nothing."},
}
BEFORE = {"measures": {"orders_beaten": 0.5, "seed_stability": None}, "missing": {"seed_stability": "After only."}}


def test_a_card_has_a_row_for_each_measure_and_says_what_is_missing() -> None:
    table = card_table({"before": BEFORE, "after": AFTER}, THRESHOLDS, "logit")
    assert table is not None and table.head == ("Measure", "before", "after")
    rows = {row[0].text: row[1:] for row in table.rows}
    assert [c.text for c in rows["Order of hiding"]] == ["50 %", "100 %"]
    assert [c.note for c in rows["Order of hiding"]] == ["poor", "good"]
    assert rows["Strongest against weakest first"][1].text == "2.5 logit"
    assert rows["Stability over seeds"][0].kind == "none" and rows["Stability over seeds"][1].note == "with care"
    assert "4 parts at once" in rows and "Small changes" not in rows
    assert "Small changes: it is measured on 3 of the explained examples." in table.note
    assert "Stability over seeds: after only." in table.note
    assert card_table({"before": {}, "after": {}}, THRESHOLDS, "") is None
    alone = card_table({"after": AFTER}, THRESHOLDS, "logit", lambda who: "deployed")
    assert alone is not None and alone.head == ("Measure", "deployed")  # of a model that was made elsewhere


@pytest.mark.parametrize("name", sorted(THRESHOLDS))
def test_every_threshold_has_words_and_the_cards_light(name: str) -> None:
    assert name in MEASURES and measure_title(name) == MEASURES[name].title
    for value in (-0.5, 0.2, 0.45, 0.5, 0.65, 0.95, 1.0, 2.0):
        card = {"measures": {name: value}, "missing": {}}
        table = card_table({"after": card}, THRESHOLDS, "")
        assert table is not None
        said = {"good": "good", "with care": "fair", "poor": "poor"}[table.rows[0][1].note]
        assert said == light(name, value)


def test_meanings_are_sentences() -> None:
    assert len(meanings()) == len(MEASURES) and all(m.endswith(".") for m in meanings())


def test_trials_are_medians_with_their_range_or_a_reason() -> None:
    cards = [
        {"measures": {"seed_stability": v, "model_randomisation": 0.3}, "missing": {"class_similarity": "One answer."}}
        for v in (0.5, 0.9, 0.7)
    ]
    quality = {"randomisation": {"shap": {"similarity": 0.3, "chance": 0.2, "n": 8}}}
    table = trials_table({"SHAP": cards}, quality)
    assert table is not None
    _, seeds, weights, other, *_ = table.rows[0]
    assert (seeds.text, seeds.note) == ("0.70", "0.50 to 0.90 · n 3")
    assert (weights.text, weights.note) == ("0.30", "n 8 · chance 0.20")
    assert other.kind == "none" and "One answer" in other.text
    assert trials_table({"SHAP": [{"measures": {}, "missing": {}}]}, quality) is None
