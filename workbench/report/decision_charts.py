"""Charts of confidence and decisions as Vega-Lite specs: reliability, net benefit, risk, residuals."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.charts import WHO, colour_by_who, vega_spec

_SHARE = alt.Axis(format=".0%", tickCount=5)


def _present(rows: pd.DataFrame, colours: dict[str, str]) -> dict[str, str]:
    return {who: colour for who, colour in colours.items() if who in set(rows["who"])}


def reliability(bins: pd.DataFrame, *, height: int = 280, x: str = "", y: str = "") -> dict[str, Any]:
    """Share right over confidence: columns `who`, `confidence`, `share`, `low`, `high`, `n`."""
    start = max(0.0, float(min(bins["confidence"].min(), bins["low"].min())) // 0.1 * 0.1)
    scale = alt.Scale(domain=[start, 1], nice=False)
    diagonal = (
        alt.Chart(pd.DataFrame({"x": [start, 1.0]}))
        .mark_line(strokeDash=[3, 4], color="var(--soft)", strokeWidth=1)
        .encode(x=alt.X("x:Q", scale=scale), y=alt.Y("x:Q", scale=scale))
    )
    base = alt.Chart(bins).encode(
        x=alt.X("confidence:Q", scale=scale, axis=_SHARE, title=x or _("how sure the model is")),
        color=colour_by_who(_present(bins, WHO)),
        tooltip=[
            alt.Tooltip("who:N", title=_("model")),
            alt.Tooltip("confidence:Q", format=".1%", title=_("how sure")),
            alt.Tooltip("share:Q", format=".1%", title=_("right")),
            alt.Tooltip("low:Q", format=".1%", title=_("from")),
            alt.Tooltip("high:Q", format=".1%", title=_("to")),
            alt.Tooltip("n:Q", title=_("answers")),
        ],
    )
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.55, clip=True).encode(
        y=alt.Y("low:Q", scale=scale, axis=_SHARE, title=y or _("how often it is right")), y2="high:Q"
    )
    dots = base.mark_circle(size=50, opacity=1, clip=True).encode(y="share:Q")
    return vega_spec(alt.layer(diagonal, bars, dots), height)


def histogram(bins: pd.DataFrame, *, height: int = 280, x: str = "", y: str = "") -> dict[str, Any]:
    """Answers by confidence: columns `who`, `low`, `high`, `n`; one step line for each model."""
    return vega_spec(
        alt.Chart(bins)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X(
                "low:Q", axis=alt.Axis(format=".0%", grid=False, tickCount=5), title=x or _("how sure the model is")
            ),
            y=alt.Y("n:Q", title=y or _("answers"), axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=colour_by_who(_present(bins, WHO)),
            tooltip=["who:N", alt.Tooltip("low:Q", format=".0%", title=_("from")), "n:Q"],
        ),
        height,
    )


def scores(bins: pd.DataFrame, label: str, *, height: int = 200) -> dict[str, Any]:
    """Scores of a class and of the others, and a threshold: columns `label`, `who`, `low`, `high`, `n`, `share`.

    The page moves the parameters `threshold` and `label`.
    """
    threshold, chosen = alt.param(name="threshold", value=0.5), alt.param(name="label", value=label)
    colours = {N_("of the class"): "var(--after)", N_("others"): "var(--before)"}
    base = (
        alt.Chart(bins)
        .transform_filter("datum.label === label")
        .mark_bar(opacity=0.6)
        .encode(
            x=alt.X("low:Q", bin="binned", axis=alt.Axis(format=".0%", grid=False, tickCount=5), title=_("probability"),
                    scale=alt.Scale(domain=[0, 1])),
            x2="high:Q",
            y=alt.Y("share:Q", stack=None, axis=_SHARE, title=_("share of its kind")),
            color=colour_by_who(colours),
            tooltip=[
                alt.Tooltip("who:N", title=_("examples")),
                alt.Tooltip("low:Q", format=".1%", title=_("from")),
                alt.Tooltip("n:Q"),
            ],
        )
    )  # fmt: skip
    cut = (
        alt.Chart(pd.DataFrame({"at": [0.0]}))
        .mark_rule(strokeWidth=2, color="var(--ink)")
        .encode(x=alt.X(datum=alt.expr("threshold"), type="quantitative"))
    )
    return vega_spec(alt.layer(base, cut).add_params(threshold, chosen), height)


def net_benefit(curve: pd.DataFrame, label: str, *, height: int = 280) -> dict[str, Any]:
    """Net benefit over thresholds: columns `who`, `threshold`, `benefit`, `low`, `high` (missing: no band), `all`."""
    top = float(max(curve["benefit"].max(), 0.01))
    scale = alt.Scale(domain=[-0.15 * top, 1.05 * top], nice=False)
    colours = _present(curve, WHO)
    x = alt.X(
        "threshold:Q",
        axis=_SHARE,
        scale=alt.Scale(domain=[0, 1]),
        title=_("probability from which {label} is called").format(label=label),
    )
    none = alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(strokeDash=[3, 4], color="var(--soft)").encode(y="y:Q")
    band = (
        alt.Chart(curve[curve["low"].notna()])
        .mark_area(opacity=0.18, color="var(--after)", clip=True)
        .encode(x=x, y=alt.Y("low:Q", scale=scale, title=_("net benefit")), y2="high:Q")
    )
    lines = (
        alt.Chart(curve)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=x,
            y=alt.Y("benefit:Q", scale=scale, axis=alt.Axis(tickCount=5), title=_("net benefit")),
            color=colour_by_who(colours),
            tooltip=[
                "who:N",
                alt.Tooltip("threshold:Q", format=".0%"),
                alt.Tooltip("benefit:Q", format=".3f", title=_("net benefit")),
            ],
        )
    )
    every = (
        alt.Chart(curve[curve["who"] == curve["who"].iloc[-1]])
        .mark_line(strokeDash=[3, 4], color="var(--soft)", strokeWidth=1, clip=True)
        .encode(x=x, y=alt.Y("all:Q", scale=scale))
    )
    return vega_spec(alt.layer(none, every, band, lines), height)


def risk_coverage(curve: pd.DataFrame, *, height: int = 280) -> dict[str, Any]:
    """Share wrong over the share answered: columns `who`, `coverage`, `risk`."""
    return vega_spec(
        alt.Chart(curve)
        .mark_line(strokeWidth=2, interpolate="step-before")
        .encode(
            x=alt.X("coverage:Q", axis=_SHARE, scale=alt.Scale(domain=[0, 1]), title=_("answered, the surest first")),
            y=alt.Y("risk:Q", axis=alt.Axis(format=".1~%", tickCount=5), title=_("wrong among the answered")),
            color=colour_by_who(_present(curve, WHO)),
            tooltip=[
                "who:N",
                alt.Tooltip("coverage:Q", format=".0%", title=_("answered")),
                alt.Tooltip("risk:Q", format=".1%", title=_("wrong")),
            ],
        ),
        height,
    )


def mean_residuals(bins: pd.DataFrame, *, unit: str, height: int = 280) -> dict[str, Any]:
    """Mean residual over predictions: columns `who`, `predicted`, `mean`, `low`, `high` (may be missing), `n`."""
    named = f" ({unit})" if unit else ""
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(strokeDash=[3, 4], color="var(--soft)").encode(y="y:Q")
    base = alt.Chart(bins).encode(
        x=alt.X(
            "predicted:Q",
            title=_("predicted{unit}").format(unit=named),
            scale=alt.Scale(zero=False),
            axis=alt.Axis(tickCount=6),
        ),
        color=colour_by_who(_present(bins, WHO)),
        tooltip=[
            alt.Tooltip("who:N", title=_("model")),
            alt.Tooltip("predicted:Q", format=",.4~g"),
            alt.Tooltip("mean:Q", format="+,.4~g", title=_("off by")),
            alt.Tooltip("n:Q", title=_("examples")),
        ],
    )
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.55).encode(
        y=alt.Y("low:Q", title=_("predicted − actual, mean{named}").format(named=named), axis=alt.Axis(tickCount=6)),
        y2="high:Q",
    )
    dots = base.mark_circle(size=50, opacity=1).encode(y="mean:Q")
    return vega_spec(alt.layer(zero, bars, dots), height)
