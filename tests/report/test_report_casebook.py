"""What the list of predictions holds: every row as the predictions have it, an even sample of many."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from workbench.report.case import case_of
from workbench.report.casebook import Casebook, casebook
from workbench.report.limits import Limits
from workbench.report.panels import CaseView
from workbench.report.sections.cases import cases
from workbench.report.view import RunView
from workbench.run import Run


def _book(run: Run, limits: Limits | None = None) -> Casebook:
    section = cases(RunView(run, limits=limits))
    assert section is not None
    return next(b for b in section.blocks if isinstance(b, Casebook))


def test_rows_say_what_the_predictions_say(samples: dict[str, Run]) -> None:
    view, book = RunView(samples["text"]), _book(samples["text"])
    test, base = (view.predictions(m, "test").set_index("id") for m in ("onnx", "base"))  # type: ignore[union-attr]
    assert len(book.data["rows"]) == len(test) == 300 and book.note == ""
    for id, _, _, _, state, turn, _, truth, decided, before, sure, _, top in book.data["rows"]:
        row, was = test.loc[id], base.loc[id]
        assert (book.data["names"][truth], book.data["names"][decided]) == (row["target"], row["predicted"])
        assert state == (1 if row["target"] == row["predicted"] else 2) and before == was["predicted"]
        right_before = was["predicted"] == was["target"]
        assert (turn == 2) == (right_before and state == 2) and (turn == 3) == (not right_before and state == 1)
        assert sure == pytest.approx(max(row[f"score.{label}"] for label in view.labels), abs=1e-6)
        assert top[0][0] == max(view.labels, key=lambda label: row[f"score.{label}"])


def test_explained_cases_come_first_then_mistakes_the_surest_first(samples: dict[str, Run]) -> None:
    rows = _book(samples["text"]).data["rows"]
    assert [row[1] for row in rows] == [*range(12), *[-1] * 288]
    states = [row[4] for row in rows[12:]]
    assert states == sorted(states, reverse=True)
    wrong = [row[10] for row in rows[12:] if row[4] == 2]
    assert wrong == sorted(wrong, reverse=True)


def test_many_predictions_and_cases_are_sampled_evenly_and_it_is_said(samples: dict[str, Run]) -> None:
    book = _book(samples["image"], Limits(cases=4, listed=50))
    assert len(book.cases) == 4 and len(book.data["rows"]) == 50
    assert book.note.startswith("50 of 300 predictions are listed")
    order = list(RunView(samples["image"]).predictions("onnx", "test")["id"])  # type: ignore[index]
    places = sorted(order.index(row[0]) for row in book.data["rows"] if row[1] < 0)
    gaps = [b - a for a, b in pairwise(places)]
    assert max(gaps) <= 10 and places[0] <= 8 and places[-1] >= 290
    assert {case["why"] for case in RunView(samples["image"], limits=Limits(cases=4)).shown} == {"wrong", "right"}


def test_slices_are_named_and_numbers_fall_into_their_ranges(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    path = run.path / "onnx/predictions.parquet"
    frame = pd.read_parquet(path)
    frame["group.ward"] = ["east", "west", None] * (len(frame) // 3)
    frame["group.age"] = [float(i % 90) for i in range(len(frame))]
    frame.to_parquet(path)
    age = {"name": "age", "kind": "range", "edges": [30, 60], "values": ["up to 30", "30 to 60", "over 60"], "gaps": {}}
    run.write_json("slices.json", {"attributes": [age], "slices": [], "few": 30, "fewest": 10})
    view = RunView(run)
    book = casebook(view, tuple(case_of(CaseView(view, "table", c, i)) for i, c in enumerate(view.shown)), ())
    found = frame.set_index("id")
    for row in book.data["rows"]:
        held, own = {book.slices[i] for i in row[6]}, found.loc[row[0]]
        ages = "up to 30" if own["group.age"] <= 30 else "30 to 60" if own["group.age"] <= 60 else "over 60"
        wards = {f"ward: {own['group.ward']}"} if isinstance(own["group.ward"], str) else set()
        assert held == wards | {f"age: {ages}"}


def test_an_empty_cell_of_a_column_of_numbers_is_a_slice_of_its_own(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    path = run.path / "onnx/predictions.parquet"
    frame = pd.read_parquet(path)
    frame["group.age"] = [str(float(i % 90)) if i % 3 else "missing" for i in range(len(frame))]
    frame.to_parquet(path)
    values = ["up to 30", "30 to 60", "over 60", "(missing)"]
    age: dict[str, Any] = {"name": "age", "kind": "range", "edges": [30, 60], "values": values, "gaps": {}}
    known = {}
    for shown in (values, values[:3]):
        run.write_json("slices.json", {"attributes": [age | {"values": shown}], "slices": [], "few": 30, "fewest": 10})
        view = RunView(run)
        book = casebook(view, tuple(case_of(CaseView(view, "table", c, i)) for i, c in enumerate(view.shown)), ())
        known[len(shown)] = {row[0]: [book.slices[i] for i in row[6]] for row in book.data["rows"]}
    empty = set(frame["id"][frame["group.age"] == "missing"])
    assert {id for id, held in known[4].items() if held == ["age: (missing)"]} == empty & set(known[4])
    assert {id for id, held in known[3].items() if not held} == empty & set(known[3])
