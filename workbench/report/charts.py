"""Charts as Vega-Lite specs. Colours are the page's CSS tokens, so they follow light, dark and print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from workbench.language import ENGLISH, N_, language
from workbench.language import gettext as _
from workbench.report.chart_words import retold

WHO = {"before": "var(--before)", "after": "var(--after)", "deployed": "var(--after)"}
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "aria": False,  # the place of a chart is one picture with a text of its own
    "font": _FONT,
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelPadding": 5,
        "domain": False,
        "ticks": False,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--soft)",
        "labelFontSize": 12,
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "symbolStrokeWidth": 2,
        "offset": 6,
    },
}


def vega_spec(chart: alt.Chart | alt.LayerChart | alt.FacetChart, height: int) -> dict[str, Any]:
    """The spec of a finished chart: as wide as its place, so high, in the page's look."""
    sized = chart.properties(width="container", height=height)
    with alt.data_transformers.enable("default", consolidate_datasets=False, max_rows=None):
        spec: dict[str, Any] = sized.to_dict(validate=False)  # tests do; here it would take a third of the time
    spec.pop("$schema")
    return {
        **(spec if language() == ENGLISH else retold(spec)),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": _CONFIG,
    }


def colour_by_who(names: Mapping[str, str], title: str | None = None) -> alt.Color:
    """The colour of column `who` from a table of names and colours."""
    scale = alt.Scale(domain=list(names), range=list(names.values()))
    return alt.Color("who:N", scale=scale, title=title)


def roc(curves: pd.DataFrame, band: pd.DataFrame, label: str, *, height: int = 250) -> dict[str, Any]:
    """ROC curves of one class: columns `who`, `false_alarms`, `found`; the diagonal is chance."""
    chance = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    named = curves.rename(columns={"false_alarms": "x", "found": "y"})
    return _curve(named, band, chance, (_("false alarms"), _("{label} found").format(label=label)), height)


def precision_recall(
    curves: pd.DataFrame, band: pd.DataFrame, label: str, share: float, *, height: int = 250
) -> dict[str, Any]:
    """Precision over recall of one class: columns `who`, `found`, `right`; the line is calling at random."""
    chance = pd.DataFrame({"x": [0.0, 1.0], "y": [share, share]})
    named = curves.rename(columns={"found": "x", "right": "y"})
    return _curve(named, band, chance, (_("{label} found").format(label=label), _("right when called")), height)


def _curve(
    curves: pd.DataFrame, band: pd.DataFrame, chance: pd.DataFrame, titles: tuple[str, str], height: int
) -> dict[str, Any]:
    """Curves `x`, `y` by `who` in the unit square over the band of the last one (`x`, `low`, `high`)."""
    present = {who: colour for who, colour in WHO.items() if who in set(curves["who"])}
    axis, scale = alt.Axis(format=".0%", tickCount=5), alt.Scale(domain=[0, 1])
    x, y = (
        alt.X("x:Q", axis=axis, scale=scale, title=titles[0]),
        alt.Y("y:Q", axis=axis, scale=scale, title=titles[1]),
    )
    line = alt.Chart(chance).mark_line(strokeDash=[3, 4], color="var(--soft)", strokeWidth=1).encode(x=x, y=y)
    shade = (
        alt.Chart(band)
        .mark_area(opacity=0.2, color="var(--after)", clip=True)
        .encode(x=x, y=alt.Y("low:Q", scale=scale, axis=axis, title=titles[1]), y2="high:Q")
    )
    # steps, as the curve is known at its thresholds only; the order is the curve's, not the x value's
    lines = (
        alt.Chart(curves.assign(step=range(len(curves))))
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=x,
            y=y,
            order="step:Q",
            color=colour_by_who(present),
            tooltip=[
                alt.Tooltip("who:N", title=_("model")),
                alt.Tooltip("x:Q", format=".1%", title=titles[0]),
                alt.Tooltip("y:Q", format=".1%", title=titles[1]),
            ],
        )
    )
    return vega_spec(alt.layer(line, shade, lines), height)


_SPLITS = {N_("train"): "var(--before)", N_("validation"): "var(--soft)", N_("test"): "var(--after)"}


def shares(rows: pd.DataFrame, *, height: int = 200) -> dict[str, Any]:
    """Share of each class in each split: columns `label`, `who` (the split), `share`, `n`."""
    legend = alt.Legend(title=None, columns=2)  # beside long labels a narrow screen has no room for three
    shapes = ["circle", "triangle-up", "square"]
    return vega_spec(
        alt.Chart(rows)
        .mark_point(filled=True, opacity=0.85, size=55)
        .encode(
            x=alt.X("share:Q", axis=alt.Axis(format=".0%", tickCount=6), title=_("share of the split")),
            y=alt.Y("label:N", sort=list(dict.fromkeys(rows["label"])), title=None, axis=alt.Axis(labelLimit=190)),
            color=colour_by_who(_SPLITS).legend(legend),
            shape=alt.Shape("who:N", scale=alt.Scale(domain=list(_SPLITS), range=shapes), legend=legend),
            tooltip=["label:N", alt.Tooltip("who:N", title=_("split")), "n:Q", alt.Tooltip("share:Q", format=".1%")],
        ),
        height,
    )


def targets(bins: pd.DataFrame, title: str, *, height: int = 200) -> dict[str, Any]:
    """Distribution of the target in each split: columns `who` (the split), `low`, `share`, `n`; one step line each."""
    return vega_spec(
        alt.Chart(bins)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X("low:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(grid=False, tickCount=6)),
            y=alt.Y("share:Q", axis=alt.Axis(format=".0%", tickCount=5), title=_("share of the split")),
            color=colour_by_who(_SPLITS),
            strokeDash=alt.StrokeDash("who:N", scale=alt.Scale(domain=list(_SPLITS), range=[[1, 0], [6, 3], [2, 2]])),
            tooltip=[
                alt.Tooltip("who:N", title=_("split")),
                alt.Tooltip("low:Q", format=",.4~g", title=_("from")),
                "n:Q",
            ],
        ),
        height,
    )


def training(losses: pd.DataFrame, *, title: str = "epoch", dots: bool = True, height: int = 250) -> dict[str, Any]:
    """Loss by epoch: columns `who` ("training" or "validation"), `epoch`, `loss`; `title` says what grows instead."""
    colours = colour_by_who({N_("training"): "var(--before)", N_("validation"): "var(--after)"})
    base = alt.Chart(losses).encode(
        x=alt.X("epoch:Q", title=_(title), axis=alt.Axis(grid=False, tickMinStep=1)),
        y=alt.Y("loss:Q", title=_("loss"), scale=alt.Scale(zero=True)),
        color=colours,
        tooltip=["who:N", alt.Tooltip("epoch:Q", format=".2f"), alt.Tooltip("loss:Q", format=".4f")],
    )
    line = base.mark_line(strokeWidth=2)
    size = 45 if dots else 0
    points = base.transform_filter("datum.who == 'validation'").mark_circle(size=size, opacity=1)
    return vega_spec(alt.layer(line, points), height)


def scatter(points: pd.DataFrame, *, unit: str, height: int = 300) -> dict[str, Any]:
    """Predicted against actual: columns `id`, `actual`, `predicted`, `who`; the diagonal is exact."""
    low = float(min(points["actual"].min(), points["predicted"].min()))
    high = float(max(points["actual"].max(), points["predicted"].max()))
    inside = alt.Scale(domain=[low, high], nice=True, zero=False)
    named = f" ({unit})" if unit else ""
    exact = (
        alt.Chart(pd.DataFrame({"x": [low, high]}))
        .mark_line(strokeDash=[3, 4], color="var(--soft)", strokeWidth=1)
        .encode(x=alt.X("x:Q", scale=inside), y=alt.Y("x:Q", scale=inside))
    )
    return vega_spec(
        alt.layer(
            exact,
            alt.Chart(points)
            .mark_circle(size=32, opacity=0.55, clip=True)
            .encode(
                x=alt.X(
                    "actual:Q", title=_("actual{unit}").format(unit=named), scale=inside, axis=alt.Axis(tickCount=6)
                ),
                y=alt.Y(
                    "predicted:Q",
                    title=_("predicted{unit}").format(unit=named),
                    scale=inside,
                    axis=alt.Axis(tickCount=6),
                ),
                color=colour_by_who({who: WHO[who] for who in WHO if who in set(points["who"])}),
                tooltip=[
                    "id:N",
                    alt.Tooltip("who:N", title=_("model")),
                    alt.Tooltip("actual:Q", format=",.4~g"),
                    alt.Tooltip("predicted:Q", format=",.4~g"),
                ],
            ),
        ),
        height,
    )


def residuals(points: pd.DataFrame, *, unit: str, height: int = 300) -> dict[str, Any]:
    """Predicted minus actual over predicted: columns `id`, `predicted`, `residual`, `who`."""
    named = f" ({unit})" if unit else ""
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(strokeDash=[3, 4], color="var(--soft)").encode(y="y:Q")
    return vega_spec(
        alt.layer(
            zero,
            alt.Chart(points)
            .mark_circle(size=32, opacity=0.55)
            .encode(
                x=alt.X(
                    "predicted:Q",
                    title=_("predicted{unit}").format(unit=named),
                    scale=alt.Scale(zero=False),
                    axis=alt.Axis(tickCount=6),
                ),
                y=alt.Y(
                    "residual:Q", title=_("predicted − actual{named}").format(named=named), axis=alt.Axis(tickCount=6)
                ),
                color=colour_by_who({who: WHO[who] for who in WHO if who in set(points["who"])}),
                tooltip=[
                    "id:N",
                    alt.Tooltip("predicted:Q", format=",.4~g"),
                    alt.Tooltip("residual:Q", format="+,.4~g", title=_("off by")),
                ],
            ),
        ),
        height,
    )


def confidence(bins: pd.DataFrame, *, height: int = 200) -> dict[str, Any]:
    """Answers by the probability that the model gave them: columns `who` ("right", "wrong"), `low`, `high`, `n`."""
    return vega_spec(
        alt.Chart(bins)
        .mark_bar()
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title=_("probability that the model gave its answer"),
                axis=alt.Axis(format=".0%", grid=False, tickCount=5),
            ),
            x2="high:Q",
            y=alt.Y("n:Q", title=_("answers"), stack="zero", axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=colour_by_who({N_("right"): "var(--after)", N_("wrong"): "var(--against)"}),
            order=alt.Order("who:N", sort="descending"),
            tooltip=["who:N", alt.Tooltip("low:Q", format=".0%", title=_("from")), "n:Q"],
        ),
        height,
    )


def bands(rows: pd.DataFrame, *, height: int = 300) -> dict[str, Any]:
    """A shift beside its bands: columns `measure`, `who` ("shift", "noise", "by lot"), `low`, `middle`, `high`.

    Distances: 0 is the same. The bands are bars, the shift its median with the middle half.
    """
    colours = {N_("shift"): "var(--after)", N_("noise"): "var(--before)", N_("by lot"): "var(--line)"}
    present = {who: colour for who, colour in colours.items() if who in set(rows["who"])}
    order = list(dict.fromkeys(rows["measure"]))
    tooltip = [
        alt.Tooltip("measure:N"),
        alt.Tooltip("who:N", title=_("what")),
        alt.Tooltip("low:Q", format=".3f", title=_("from")),
        alt.Tooltip("middle:Q", format=".3f", title=_("median")),
        alt.Tooltip("high:Q", format=".3f", title=_("to")),
    ]
    base = alt.Chart(rows).encode(
        x=alt.X("low:Q", title=_("distance between the explanations (0: the same)"), axis=alt.Axis(tickCount=6)),
        y=alt.Y("measure:N", sort=order, title=None, axis=alt.Axis(grid=False, labelLimit=220)),
        color=colour_by_who(present),
        tooltip=tooltip,
    )
    lots = base.transform_filter("datum.who == 'by lot'").mark_bar(height=13).encode(x2="high:Q")
    noise = base.transform_filter("datum.who == 'noise'").mark_bar(height=7, opacity=0.75).encode(x2="high:Q")
    moved = base.transform_filter("datum.who == 'shift'")
    half = moved.mark_rule(strokeWidth=2).encode(x2="high:Q")
    middle = moved.mark_circle(size=60, opacity=1).encode(x=alt.X("middle:Q"))
    layers = {"by lot": (lots,), "noise": (noise,), "shift": (half, middle)}  # an empty layer would have no extent
    return vega_spec(alt.layer(*(layer for who in layers if who in present for layer in layers[who])), height)
