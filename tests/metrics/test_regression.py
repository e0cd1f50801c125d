"""All measures of regression: values against scikit-learn, intervals, odd cases."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as sk
from sklearn.dummy import DummyRegressor

from workbench.metrics import regression
from workbench.metrics.regression import regression_measures
from workbench.types import Measure, Values


def values(n: int, seed: int = 0, split: str = "test") -> Values:
    rng = np.random.default_rng(seed)
    t = rng.normal(150, 70, n)
    return Values(np.array([f"x{i}" for i in range(n)]), np.full(n, split), t, t + rng.normal(4, 50, n), "mg/dl")


def of(p: Values, **how: object) -> dict[str, Measure]:
    how = {"resamples": 200} | how
    return {m.name: m for m in regression_measures(p, **how)}  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [2, 101, 400, 3000])
def test_values_equal_scikit_learn(n: int) -> None:
    p = values(n)
    t, v = p.targets, p.values
    expected = {
        "mse": sk.mean_squared_error(t, v),
        "rmse": sk.root_mean_squared_error(t, v),
        "mae": sk.mean_absolute_error(t, v),
        "median_ae": sk.median_absolute_error(t, v),
        "r2": sk.r2_score(t, v),
        "bias": np.mean(v - t),
    }
    m = of(p)
    for name, value in expected.items():
        assert m[name].value == pytest.approx(value), name
        assert getattr(regression, name)(t, v) == pytest.approx(value), name
    assert m["baseline_rmse"].value == pytest.approx(np.std(t))
    tilted = {
        "pinball_10": sk.mean_pinball_loss(t, v, alpha=0.1),
        "pinball_50": sk.mean_absolute_error(t, v) / 2,
        "pinball_90": sk.mean_pinball_loss(t, v, alpha=0.9),
        "d2_absolute_error": sk.d2_absolute_error_score(t, v),
        "d2_pinball_10": sk.d2_pinball_score(t, v, alpha=0.1),
        "d2_pinball_90": sk.d2_pinball_score(t, v, alpha=0.9),
    }
    for name, value in tilted.items():
        assert m[name].value == pytest.approx(value), name
        plain = regression.pinball if name.startswith("pinball") else regression.d2_pinball
        assert plain(t, v, 0.5 if name == "d2_absolute_error" else int(name[-2:]) / 100) == pytest.approx(value)
    assert set(m) == {*expected, *tilted, "baseline_rmse"}


def test_what_the_average_would_score_stands_beside_every_score() -> None:
    p = dataclasses.replace(values(200), splits=np.repeat(["train", "test"], 100))
    t = p.targets[100:]
    same = np.full(100, p.targets[:100].mean())
    m = of(p, splits=["test"])
    assert m["rmse"].baseline == pytest.approx(m["baseline_rmse"].value)
    assert m["baseline_rmse"].baseline is None
    assert m["mae"].baseline == pytest.approx(sk.mean_absolute_error(t, same))
    assert m["r2"].baseline == pytest.approx(sk.r2_score(t, same))
    assert m["pinball_90"].baseline == pytest.approx(sk.mean_pinball_loss(t, same, alpha=0.9))
    assert "|baseline:mean of train|" in m["mae"].signature


def test_printed_values() -> None:
    t, v = [3, -0.5, 2, 7], [2.5, 0.0, 2, 8]
    assert regression.r2(t, v) == pytest.approx(0.9486, abs=5e-5)
    assert regression.rmse(t, v) == pytest.approx(0.61237, abs=5e-6)
    assert regression.pinball([1, 2, 3], [0, 2, 3], 0.1) == pytest.approx(0.03333, abs=5e-6)
    assert regression.d2_pinball([1, 2, 3], [1, 3, 3]) == pytest.approx(0.5)
    assert regression.d2_pinball([1, 2, 3], [1, 3, 3], 0.1) == pytest.approx(-2)
    assert regression.d2_pinball([1, 2, 3], [1, 3, 3], 0.9) == pytest.approx(2 / 3)


def test_intervals_equal_scipys() -> None:
    p = values(150)
    errors = np.abs(p.values - p.targets)
    theirs = scipy.stats.bootstrap((errors,), np.mean, n_resamples=10_000, method="BCa", rng=0).confidence_interval
    ours = of(p, resamples=10_000)["mae"]
    assert ours.interval == "bootstrap-bca"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.01)

    def r2(t: np.ndarray, v: np.ndarray) -> float:
        return float(sk.r2_score(t, v))

    theirs = scipy.stats.bootstrap(
        (p.targets, p.values), r2, paired=True, vectorized=False, n_resamples=3000, method="BCa", rng=0
    ).confidence_interval
    ours = of(p, resamples=10_000)["r2"]
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_the_median_of_resamples_is_the_median() -> None:
    p = values(31)
    rng = np.random.default_rng([0, 0])
    drawn = np.stack([np.bincount(r, minlength=31) for r in rng.integers(0, 31, size=(200, 31))])
    errors = np.abs(p.values - p.targets)
    medians = [np.median(np.repeat(errors, w)) for w in drawn]
    ours = of(p, resamples=200)["median_ae"]
    assert ours.low >= min(medians) and ours.high <= max(medians)
    assert ours.low <= np.median(medians) <= ours.high


def test_baseline_is_the_training_mean() -> None:
    p = dataclasses.replace(values(100), splits=np.repeat(["train", "test"], [60, 40]))
    (m,) = [m for m in regression_measures(p, resamples=20, splits=["test"]) if m.name == "baseline_rmse"]
    dummy = DummyRegressor().fit(np.zeros((60, 1)), p.targets[:60])
    expected = sk.root_mean_squared_error(p.targets[60:], dummy.predict(np.zeros((40, 1))))
    assert m.value == pytest.approx(expected) and "of:train" in m.signature
    assert regression.baseline_rmse(p.targets[60:], p.targets[:60]) == pytest.approx(expected)


def test_units_and_signatures() -> None:
    m = of(values(50))
    assert (m["rmse"].unit, m["mse"].unit, m["r2"].unit) == ("mg/dl", "(mg/dl)²", "")
    assert of(dataclasses.replace(values(50), unit="kg"))["mse"].unit == "kg²"
    assert of(dataclasses.replace(values(50), unit=""))["rmse"].unit == ""
    assert "resamples:200|drawn:rows|seed:0" in m["rmse"].signature


def test_unknown_targets_are_left_out_and_counted() -> None:
    p = values(60)
    hidden = dataclasses.replace(p, targets=np.where(np.arange(60) < 10, np.nan, p.targets))
    ours, expected = of(hidden), of(p.where(np.arange(60) >= 10))
    assert ours["rmse"].value == expected["rmse"].value and "|n:50|unknown:10|" in ours["rmse"].signature
    nothing = of(dataclasses.replace(p, targets=np.full(60, np.nan)))
    assert all(m.value is None and "no example" in m.reason for m in nothing.values())


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9])
def test_constant_targets_have_no_variance_to_explain(constant: float) -> None:
    p = dataclasses.replace(values(20), targets=np.full(20, constant))
    m = of(p)
    assert m["r2"].value is None and "all equal" in m["r2"].reason
    assert m["rmse"].value is not None
    assert np.isnan(regression.r2(p.targets, p.values))


def test_one_example_and_one_perfect_model() -> None:
    for m in of(values(1)).values():
        assert (m.value is None or m.low is None) and m.reason
    p = values(20)
    perfect = of(dataclasses.replace(p, values=p.targets.copy()))
    assert perfect["rmse"].value == 0 and perfect["rmse"].low is None and "no interval" in perfect["rmse"].reason
    assert perfect["r2"].value == 1


def test_outputs_that_are_no_numbers_are_reported() -> None:
    p = values(20)
    p.values[4] = np.inf
    assert all(m.value is None and "'x4'" in m.reason for m in of(p).values())


def test_numbers_are_plain_finite_and_repeatable() -> None:
    for n in (1, 2, 30):
        measures = regression_measures(values(n), resamples=50)
        json.dumps([dataclasses.asdict(m) for m in measures], allow_nan=False)
        assert measures == regression_measures(values(n), resamples=50)


def test_clusters_are_drawn_whole() -> None:
    p = values(40)
    tenfold = p.where(np.repeat(np.arange(40), 10))
    whole = of(tenfold, resamples=1000, clusters=np.repeat(np.arange(40), 10))["mae"]
    single = of(p, resamples=1000)["mae"]
    assert whole.high - whole.low == pytest.approx(single.high - single.low, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rmse", "mae", "r2"])
def test_intervals_cover_the_truth(name: str) -> None:
    truth = of(values(400_000, 10**6), resamples=2)[name].value
    inside = sum(m.low <= truth <= m.high for m in (of(values(120, s), resamples=400)[name] for s in range(300)))
    assert inside / 300 == pytest.approx(0.945, abs=0.035)
