"""ROC and confusion against slow counts of their definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from workbench.report.performance import (
    POINTS,
    area,
    average_precision,
    confidence,
    confusion,
    detection_errors,
    known,
    precision_recall,
    roc,
    steps_of,
)


def _frame(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    score = np.clip(0.3 * truth + rng.random(n) * 0.7, 0, 1)
    names = np.array(["no", "yes"], dtype=object)
    return pd.DataFrame(
        {
            "target": names[truth],
            "predicted": names[(score > 0.5).astype(int)],
            "score.no": 1 - score,
            "score.yes": score,
        }
    )


def test_confusion_counts_rows_as_truth() -> None:
    frame = pd.DataFrame({"target": ["a", "a", "b", None], "predicted": ["a", "b", "b", "b"]})
    assert confusion(frame, ["a", "b", "c"]).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert confusion(frame.iloc[3:], ["a", "b"]).tolist() == [[0, 0], [0, 0]]
    assert len(known(frame)) == 3


def test_area_is_the_share_of_pairs_in_order() -> None:
    frame = _frame(80)
    yes, no = (frame["score.yes"][frame["target"] == label].to_numpy() for label in ("yes", "no"))
    pairs = (yes[:, None] > no[None, :]).mean() + 0.5 * (yes[:, None] == no[None, :]).mean()
    assert area(steps_of(frame, "yes")) == pytest.approx(pairs)


def test_thinned_roc_stays_close_to_the_whole_curve() -> None:
    frame = _frame(5000)
    curve = roc(steps_of(frame, "yes"))
    assert curve is not None
    assert len(curve) <= POINTS
    assert curve.iloc[0].tolist() == [0, 0]
    assert curve.iloc[-1].tolist() == [1, 1]
    assert np.all(np.diff(curve["false_alarms"]) >= 0) and np.all(np.diff(curve["found"]) >= 0)
    assert np.trapezoid(curve["found"], curve["false_alarms"]) == pytest.approx(area(steps_of(frame, "yes")), abs=0.005)


def test_roc_of_a_class_that_is_not_there_is_undefined() -> None:
    frame = _frame(20).assign(target="no")
    assert roc(steps_of(frame, "yes")) is None
    assert roc(steps_of(frame, "no")) is None


def test_confidence_is_the_largest_probability() -> None:
    frame = _frame(10)
    assert confidence(frame) == pytest.approx(np.maximum(frame["score.no"], frame["score.yes"]))


def test_errors_of_normal_scores_lie_on_a_straight_line() -> None:
    """Scores N(0, 1) and N(2, 1): the deviates of misses and false alarms add up to -2."""
    rng = np.random.default_rng(0)
    truth = rng.random(40_000) < 0.5
    names = np.array(["no", "yes"], dtype=object)
    score = rng.normal(size=40_000) + 2 * truth
    frame = pd.DataFrame({"target": names[truth.astype(int)], "score.yes": score})
    curve = detection_errors(steps_of(frame, "yes"))
    assert curve is not None and len(curve) <= POINTS
    middle = curve[(curve["false_alarms"] > 0.01) & (curve["missed"] > 0.01)]
    assert len(middle) > 10 and (middle["x"] + middle["y"]).to_numpy() == pytest.approx(-2, abs=0.08)
    for at in middle["false_alarms"].iloc[::7]:
        called = score >= np.quantile(score[~truth], 1 - at)
        assert (~called & truth).sum() / truth.sum() == pytest.approx(
            np.interp(at, curve["false_alarms"], curve["missed"]), abs=0.01
        )


def test_a_perfect_order_has_no_errors_to_trade() -> None:
    frame = pd.DataFrame({"target": ["no"] * 5 + ["yes"] * 5, "score.yes": np.arange(10.0)})
    assert detection_errors(steps_of(frame, "yes")) is None
    assert detection_errors(steps_of(frame.assign(target="no"), "yes")) is None


def test_a_handful_of_errors_makes_no_line() -> None:
    frame = pd.DataFrame({"target": ["no", "yes", "no", *["yes"] * 7], "score.yes": np.arange(10.0)})
    assert detection_errors(steps_of(frame, "yes")) is None


@pytest.mark.parametrize("steps", [15, 40, 10**9])
def test_curves_are_those_of_scikit_learn(steps: int) -> None:
    frame = _frame(100)
    frame["score.yes"] = (frame["score.yes"] * steps).round() / steps  # with ties, few or many
    truth, score = (frame["target"] == "yes").to_numpy(), frame["score.yes"].to_numpy()
    counted = steps_of(frame, "yes")
    curves = {"roc": roc(counted), "pr": precision_recall(counted), "det": detection_errors(counted)}
    assert all(c is not None for c in curves.values())
    false_alarms, found, _ = sk.roc_curve(truth, score, drop_intermediate=False)
    places = list(zip(false_alarms, found, strict=True))
    assert all(np.isclose(places, p, atol=1e-12).all(axis=1).any() for p in curves["roc"].to_numpy())
    assert np.trapezoid(curves["roc"]["found"], curves["roc"]["false_alarms"]) == pytest.approx(
        sk.roc_auc_score(truth, score), abs=1e-12
    )
    right, found, _ = sk.precision_recall_curve(truth, score, drop_intermediate=True)
    np.testing.assert_allclose(curves["pr"], np.stack([found, right], axis=1)[-2::-1], atol=1e-12)
    false_alarms, missed, _ = sk.det_curve(truth, score)
    inside = (false_alarms > 0) & (false_alarms < 1) & (missed > 0) & (missed < 1)
    drawn = np.stack([false_alarms, missed], axis=1)[inside][::-1]
    np.testing.assert_allclose(curves["det"][["false_alarms", "missed"]][-len(drawn) :], drawn, atol=1e-12)
    assert area(counted) == pytest.approx(sk.roc_auc_score(truth, score), abs=1e-12)
    assert average_precision(counted) == pytest.approx(sk.average_precision_score(truth, score), abs=1e-12)
