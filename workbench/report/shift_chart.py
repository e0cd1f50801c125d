"""How far the explanations of two models lie apart, as a chart beside what noise and chance give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from workbench.language import gettext as _
from workbench.language import stored
from workbench.quality.shift import MEASURES
from workbench.report import charts
from workbench.report.shapes import Chart


def shift_chart(of: Mapping[str, Any]) -> Chart | None:
    """One method's distances beside its bands; None where it has none."""
    rows = []
    for measure, m in of["measures"].items():
        if m["distance"] is None:
            continue
        title = measure_title(measure)
        if m["random"]:
            rows.append((title, "by lot", m["random"]["p5"], m["random"]["median"], m["random"]["p95"]))
        if m["noise"]:
            rows.append((title, "noise", 0.0, m["noise"]["median"], m["noise"]["p95"]))
        rows.append((title, "shift", m["distance"]["q1"], m["distance"]["median"], m["distance"]["q3"]))
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=["measure", "who", "low", "middle", "high"])
    noise = of["noise"]
    band = (
        _("Noise ({text}) up to its 95th percentile.").format(text=stored(noise["text"]))
        if noise["kind"] != "none"
        else _("No band of noise: it is not known.")
    )
    caption = _(
        "{title}: how far the explanations of the two models lie apart (median, middle half "
        "of the examples). {band} By lot: 5th to 95th percentile of shuffled values."
    ).format(title=stored(of["title"]), band=band)
    label = _("{title}: distances between explanations before and after, with bands of noise and of chance").format(
        title=stored(of["title"])
    )
    return Chart(charts.bands(frame), label, caption, height=300)


def measure_title(measure: str) -> str:
    """A measure of the shift in plain words."""
    known = MEASURES.get(measure)
    return stored(known.title) if known else measure.replace("_", " ")
