"""The one kind of error over the other, on axes of normal deviates (DET)."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import altair as alt
import pandas as pd

from workbench.language import gettext as _
from workbench.report.charts import WHO, colour_by_who, vega_spec

# Shares that are ticks of an axis of normal deviates, and how such a tick is written.
_DEVIATES = {f"{p:g} %": round(NormalDist().inv_cdf(p / 100), 4) for p in (0.1, 1, 5, 20, 50, 80, 95, 99, 99.9)}
_SHARES = "".join(f"abs(datum.value - ({z})) < 0.001 ? '{text}' : " for text, z in _DEVIATES.items()) + "''"


def detection_errors(curves: pd.DataFrame, label: str, *, height: int = 250) -> dict[str, Any]:
    """Misses over false alarms of one class: columns `who`, `x`, `y` (normal deviates), `false_alarms`, `missed`."""
    present = {who: colour for who, colour in WHO.items() if who in set(curves["who"])}
    ticks = alt.Axis(values=list(_DEVIATES.values()), labelExpr=_SHARES)
    titles = (_("false alarms"), _("{label} missed").format(label=label))
    return vega_spec(
        alt.Chart(curves.assign(step=range(len(curves))))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("x:Q", axis=ticks, scale=alt.Scale(zero=False), title=titles[0]),
            y=alt.Y("y:Q", axis=ticks, scale=alt.Scale(zero=False), title=titles[1]),
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
