"""The slider's counts are exact: at every stop, and at the thresholds of the table of rules."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from workbench.report.operating import operating, stops
from workbench.report.view import RunView
from workbench.run import Run


@pytest.mark.parametrize("n", [40, 5000])
def test_counts_at_every_stop(n: int) -> None:
    rng = np.random.default_rng(n)
    truth = rng.random(n) < 0.3
    scores = np.clip(rng.beta(2, 3, n) + 0.2 * truth, 0, 1)
    found = stops(truth, scores, {"a rule": float(scores[7])})
    assert found["at"] == sorted(set(found["at"])) and {0.0, 0.5, 1.0, float(scores[7])} <= set(found["at"])
    for at, tp, fp in zip(found["at"], found["tp"], found["fp"], strict=True):
        (_, alarms), (_, hits) = confusion_matrix(truth, scores >= at, labels=[False, True])
        assert (tp, fp) == (hits, alarms)
    assert found["at"][found["rules"][0][1]] == scores[7] and found["at"][found["half"]] == 0.5


def test_a_stop_at_a_rule_says_what_the_table_says(samples: dict[str, Run]) -> None:
    view = RunView(samples["table"])
    own = view.json("onnx/decisions.json")
    block = operating(view, own)[1]
    (entry,) = block.classes
    named = dict(entry["rules"])
    rules = [r for r in own["thresholds"]["rules"] if r["threshold"] is not None]
    assert len(rules) >= 3 and len(named) == len(rules)
    for rule, stop in zip(rules, named.values(), strict=True):
        fn, tn = entry["positives"] - entry["tp"][stop], entry["negatives"] - entry["fp"][stop]
        assert (entry["tp"][stop], entry["fp"][stop], fn, tn) == (rule["tp"], rule["fp"], rule["fn"], rule["tn"])


def test_every_class_of_several_can_be_chosen(samples: dict[str, Run]) -> None:
    view = RunView(samples["text"])
    block = operating(view, view.json("onnx/decisions.json"))[1]
    assert [entry["label"] for entry in block.classes] == view.labels
    assert operating(RunView(samples["regression"]), {}) == []
