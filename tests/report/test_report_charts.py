"""Charts: valid specs, with the page's own colours, that Vega can draw."""

from __future__ import annotations

import json
import re

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert

from workbench.report import charts, error_charts


def _specs() -> dict[str, dict]:
    rng = np.random.default_rng(0)
    points = pd.DataFrame({"id": ["a", "b", "c"], "actual": [1.0, 2.0, 3.0], "predicted": rng.random(3)})
    points = points.assign(residual=points["predicted"] - points["actual"], who="deployed")
    curve = pd.DataFrame({"false_alarms": [0.0, 0.1, 1.0], "found": [0.0, 0.8, 1.0]})
    curves = pd.concat([curve.assign(who="before"), curve.assign(who="after")])
    precise = curves.rename(columns={"false_alarms": "right"})
    band = pd.DataFrame({"x": [0.0, 1.0], "low": [0.0, 0.9], "high": [0.2, 1.0]})
    of_splits = pd.DataFrame({"who": ["train", "test"], "label": ["a", "b"], "n": [3, 1], "share": [0.75, 0.25]})
    losses = pd.DataFrame({"who": ["training", "validation"], "epoch": [1.0, 1.0], "loss": [0.5, 0.6]})
    bins = pd.DataFrame({"who": ["right", "wrong"], "low": [0.9, 0.9], "high": [0.95, 0.95], "n": [3, 1]})
    shifts = pd.DataFrame(
        {"measure": ["Direction"] * 3, "who": ["by lot", "noise", "shift"], "low": [0.7, 0.0, 0.3],
         "middle": [1.0, 0.1, 0.4], "high": [1.2, 0.2, 0.5]}
    )  # fmt: skip
    errors = pd.DataFrame({"false_alarms": [0.1, 0.5], "missed": [0.4, 0.01], "x": [-1.28, 0.0], "y": [-0.25, -2.33]})
    return {
        "detection_errors": error_charts.detection_errors(errors.assign(who="after"), "<b>yes</b>"),
        "bands": charts.bands(shifts),
        "roc": charts.roc(curves, band, "<b>yes</b>"),
        "precision_recall": charts.precision_recall(precise, band, "<b>yes</b>", 0.3),
        "shares": charts.shares(of_splits),
        "targets": charts.targets(of_splits.rename(columns={"label": "low"}).assign(low=[1.0, 2.0]), "price"),
        "training": charts.training(losses),
        "scatter": charts.scatter(points, unit="kg"),
        "residuals": charts.residuals(points, unit=""),
        "confidence": charts.confidence(bins),
    }


@pytest.mark.parametrize("name", list(_specs()))
def test_specs_can_be_drawn_and_take_their_colours_from_the_page(name: str) -> None:
    spec = _specs()[name]
    text = json.dumps(spec, allow_nan=False)
    assert "http" not in text and "#" not in text  # no schema to fetch, no colour of its own
    alt.Chart.from_dict(spec)  # raises where the schema forbids it: reports are built without that check
    svg = vl_convert.vegalite_to_svg({**spec, "width": 300})
    assert "var(--" in svg and "NaN" not in svg


def test_the_same_data_gives_the_same_spec() -> None:
    assert json.dumps(_specs()) == json.dumps(_specs())


def test_an_axis_of_normal_deviates_is_written_in_shares() -> None:
    svg = vl_convert.vegalite_to_svg({**_specs()["detection_errors"], "width": 300})
    assert {">10 %<", ">20 %<", ">40 %<", ">60 %<", ">0.5 %<"} <= set(
        re.findall(r">[\d.]+ %<", svg)
    ) and ">-" not in svg


def test_an_axis_of_few_errors_still_has_two_ticks() -> None:
    same = pd.DataFrame({"who": "after", "false_alarms": 0.03, "missed": [0.2, 0.1], "x": -1.88, "y": [-0.84, -1.28]})
    svg = vl_convert.vegalite_to_svg({**error_charts.detection_errors(same, "yes"), "width": 300})
    assert ">2 %<" in svg and ">5 %<" in svg and ">10 %<" in svg and ">20 %<" in svg
