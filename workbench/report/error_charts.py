"""The one kind of error over the other, on axes of normal deviates (DET)."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import altair as alt
import pandas as pd

from workbench.language import gettext as _
from workbench.report.charts import WHO, colour_by_who, vega_spec

# Shares that are ticks of an axis of normal deviates, and how such a tick is written.
_TICKS = (0.01, 0.1, 0.5, 2, 5, 10, 20, 40, 60, 80, 90, 95, 98, 99.5, 99.9, 99.99)
_DEVIATES = {f"{p:g} %": round(NormalDist().inv_cdf(p / 100), 4) for p in _TICKS}
_SHARES = "".join(f"abs(datum.value - ({z})) < 0.001 ? '{text}' : " for text, z in _DEVIATES.items()) + "''"


def detection_errors(curves: pd.DataFrame, label: str, *, height: int = 250) -> dict[str, Any]:
    """Misses over false alarms of one class: columns `who`, `x`, `y` (normal deviates), `false_alarms`, `missed`."""
    present = {who: colour for who, colour in WHO.items() if who in set(curves["who"])}
    titles = (_("false alarms"), _("{label} missed").format(label=label))
    return vega_spec(
        alt.Chart(curves.assign(step=range(len(curves))))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("x:Q", **_axis(curves["x"]), title=titles[0]),
            y=alt.Y("y:Q", **_axis(curves["y"]), title=titles[1]),
            order="step:Q",
            color=colour_by_who(present),
            tooltip=[
                alt.Tooltip("who:N", title=_("model")),
                alt.Tooltip("false_alarms:Q", format=".1%", title=titles[0]),
                alt.Tooltip("missed:Q", format=".1%", title=titles[1]),
            ],
        ),
        height,
    )


def _axis(values: pd.Series) -> dict[str, Any]:
    """Axis and scale from the last tick at or before the least value to the first at or after the greatest."""
    places = list(_DEVIATES.values())
    first = max((i for i, z in enumerate(places) if z <= values.min()), default=0)
    last = min((i for i, z in enumerate(places) if z >= values.max()), default=len(places) - 1)
    shown = places[first : max(last, first + 1) + 1]
    scale = alt.Scale(domain=[min(shown[0], values.min()), max(shown[-1], values.max())], nice=False)
    return {"axis": alt.Axis(values=shown, labelExpr=_SHARES), "scale": scale}
