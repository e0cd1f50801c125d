"""Charts of a table's columns over many rows: importance, swarm, dependence, partial dependence."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.charts import vega_spec

# From a column's low values to its high ones; told apart in light and dark, and by colour-blind readers.
SHADES = {
    N_("low"): "#0f8b8d",
    N_("below middle"): "#6aa5a6",
    N_("middle"): "#979ca5",
    N_("above middle"): "#c083b0",
    N_("high"): "#bb3f95",
    N_("missing or a category"): "#b08a3c",
}
_SMALL = 200


def importance(rows: pd.DataFrame, title: str, *, height: int = 300) -> dict[str, Any]:
    """Values with intervals, one line a column in the given order: `column`, `value`, `low`, `high`."""
    order = list(rows["column"])
    y = alt.Y("column:N", sort=order, title=None, axis=alt.Axis(labelLimit=190, grid=False, labelColor="var(--ink)"))
    base = alt.Chart(rows).encode(y=y)
    tooltip = [
        alt.Tooltip("column:N"),
        alt.Tooltip("value:Q", format=",.3~g"),
        alt.Tooltip("low:Q", format=",.3~g"),
        alt.Tooltip("high:Q", format=",.3~g"),
    ]
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color="var(--line)").encode(x="x:Q")
    ends = base.mark_rule(strokeWidth=2, color="var(--before)").encode(
        x=alt.X("low:Q", title=title, axis=alt.Axis(tickCount=5)), x2="high:Q"
    )
    dots = base.mark_circle(size=70, opacity=1, color="var(--after)").encode(x="value:Q", tooltip=tooltip)
    return vega_spec(alt.layer(zero, ends, dots), height)


def swarm(points: pd.DataFrame, order: list[str], title: str, *, height: int = 300) -> dict[str, Any]:
    """One dot a row and column: `column`, `value`, `place` (-1 to 1 across the line), `shade`, `shown`."""
    present = {name: colour for name, colour in SHADES.items() if name in set(points["shade"])}
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color="var(--line)").encode(x="x:Q")
    dots = (
        alt.Chart(points)
        .mark_circle(size=22, opacity=0.8)
        .encode(
            x=alt.X("value:Q", title=title, axis=alt.Axis(tickCount=6)),
            y=alt.Y(
                "column:N",
                sort=order,
                title=None,
                axis=alt.Axis(labelLimit=190, grid=False, labelColor="var(--ink)"),
            ),
            yOffset=alt.YOffset("place:Q", scale=alt.Scale(domain=[-1.3, 1.3])),
            color=alt.Color(
                "shade:N",
                scale=alt.Scale(domain=list(present), range=list(present.values())),
                legend=alt.Legend(columns=3, title=None),
            ),
            tooltip=["column:N", alt.Tooltip("shown:N", title=_("is")), alt.Tooltip("value:Q", format="+,.3~g")],
        )
    )
    return vega_spec(alt.layer(zero, dots), height)


def dependence(points: pd.DataFrame, column: str, title: str, *, numeric: bool, height: int = _SMALL) -> dict[str, Any]:
    """Attribution over the column's value, one dot a row: `at` (number or category), `value`."""
    x = (
        alt.X("at:Q", title=column, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5, grid=False))
        if numeric
        else alt.X("at:N", title=column, axis=alt.Axis(labelAngle=0, labelLimit=70))
    )
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(strokeDash=[3, 4], color="var(--soft)").encode(y="y:Q")
    dots = (
        alt.Chart(points)
        .mark_circle(size=28, opacity=0.6, color="var(--after)")
        .encode(
            x=x,
            y=alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=5)),
            tooltip=[alt.Tooltip("at", title=column), alt.Tooltip("value:Q", format="+,.3~g")],
        )
    )
    return vega_spec(alt.layer(zero, dots), height)


def partial(curve: pd.DataFrame, column: str, title: str, *, numeric: bool, height: int = _SMALL) -> dict[str, Any]:
    """Mean answer over the column's value with the middle 80 % of the rows: `at`, `mean`, `low`, `high`."""
    tooltip = [
        alt.Tooltip("at", title=column),
        alt.Tooltip("mean:Q", format=",.3~g"),
        alt.Tooltip("low:Q", format=",.3~g", title=_("10th percentile")),
        alt.Tooltip("high:Q", format=",.3~g", title=_("90th percentile")),
    ]
    y = alt.Y("low:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    if numeric:
        x = alt.X("at:Q", title=column, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5, grid=False))
        base = alt.Chart(curve).encode(x=x)
        band = base.mark_area(opacity=0.18, color="var(--after)").encode(y=y, y2="high:Q")
        line = base.mark_line(strokeWidth=2, color="var(--after)").encode(y="mean:Q", tooltip=tooltip)
        return vega_spec(alt.layer(band, line), height)
    base = alt.Chart(curve).encode(x=alt.X("at:N", title=column, axis=alt.Axis(labelAngle=0, labelLimit=70)))
    ends = base.mark_rule(strokeWidth=2, color="var(--before)").encode(y=y, y2="high:Q")
    dots = base.mark_circle(size=70, opacity=1, color="var(--after)").encode(y="mean:Q", tooltip=tooltip)
    return vega_spec(alt.layer(ends, dots), height)
