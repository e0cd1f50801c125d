"""What the report says of the quality of explanations, against counts of quality.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from workbench.report.casebook import Casebook
from workbench.report.sections.cases import cases
from workbench.report.shapes import Prose
from workbench.report.trust import agreement, caught, explanations, judged, measure_title, overview, top_size
from workbench.report.view import RunView
from workbench.run import Run


def test_lights_are_counted_by_method_and_model(samples: dict[str, Run]) -> None:
    view, stored = RunView(samples["text"]), samples["text"].read_json("quality.json")["cases"]
    for who, models in (("before", {}), ("after", {"shap": "onnx", "lime": "onnx", "integrated-gradients": "tuned"})):
        found = judged(view, who)
        for explainer, counts in found.by_method.items():
            cards = stored[models.get(explainer, "base")][explainer]
            assert counts == Counter(card["light"] for card in cards.values())
        assert found.n == 36 and set(found.by_method) == {"shap", "lime", "integrated-gradients"}


def test_controls_are_counted_as_the_file_has_them(samples: dict[str, Run]) -> None:
    controls = samples["text"].read_json("quality.json")["controls"]
    poor = sum(card["light"] == "poor" for card in controls["after"].values())
    assert caught(RunView(samples["text"]), "after") == (poor, 12) == (11, 12)
    table = overview(RunView(samples["text"]))
    assert table is not None
    assert [cell.text for cell in table.rows[-1]] == ["Random values", *["11 of 12 called unreliable"] * 2]


@pytest.mark.parametrize(("n_caught", "level"), [(12, "good"), (5, "fair")])
def test_tests_that_pass_random_values_cannot_clear_an_explanation(
    copied: Callable[[str], Run], n_caught: int, level: str
) -> None:
    run = copied("text")
    quality = run.read_json("quality.json")
    for of_model in quality["cases"].values():
        for of_method in of_model.values():
            for card in of_method.values():
                card["light"] = "good"
    for i, card in enumerate(quality["controls"]["after"].values()):
        card["light"] = "poor" if i < n_caught else "good"
    run.write_json("quality.json", quality)
    (line,) = explanations(RunView(run))
    assert line.strong == "None of 36 explanations was found unreliable" and line.level == level
    assert line.rest.startswith("(12 cases, 3 methods, the model after).")
    assert f"called {n_caught} of 12 random explanations unreliable" in line.rest


def test_agreement_is_said_beside_chance(samples: dict[str, Run]) -> None:
    view = RunView(samples["text"])
    case = view.cases[0]
    k = top_size(len(case["features"]))
    table, said = agreement(view, case)
    assert table is not None and [row[0].text for row in table.rows] == [
        "SHAP and LIME",
        "Integrated gradients and SHAP",
    ]
    assert table.rows[0][2].text == f"{round(0.6 * k)} of {k}" and "rank correlation 0.61" in table.rows[0][2].note
    assert said.startswith(
        f"Any two of the methods share {round(0.4 * k)} to {round(0.6 * k)} of their {k} strongest words"
    )
    assert said.endswith("More than chance explains: SHAP with LIME.")  # 0.4 is not above its 95th percentile


def test_the_strongest_are_five_or_a_tenth() -> None:
    assert [top_size(n) for n in (3, 5, 30, 50, 80)] == [3, 5, 5, 5, 8]


def test_what_was_left_out_of_the_cases_is_said(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    left = [{"id": "far-1", "reason": "the text is empty."}]
    run.write_json("cases.json", {**run.read_json("cases.json"), "left_out": left})
    section = cases(RunView(run))
    assert section is not None
    said = [p for block in section.blocks if isinstance(block, Prose) for p in block.paragraphs]
    assert "Not explained: far-1 (the text is empty)." in said


def test_wrong_answers_stand_first_and_one_case_is_open(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    about = run.read_json("cases.json")
    about["cases"] = about["cases"][::-1]
    run.write_json("cases.json", about)
    section = cases(RunView(run))
    assert section is not None
    (book,) = (block for block in section.blocks if isinstance(block, Casebook))
    whys = [case.why for case in book.cases]
    assert whys == sorted(whys, key=["a wrong answer", "a right answer"].index) and len(set(whys)) == 2


def test_quality_measures_have_names() -> None:
    assert measure_title("orders_beaten") == "Order of hiding"
    assert measure_title("something_new") == "Something new"
