"""From which probability on is it called positive? Rules chosen on validation, judged on test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.confusion import divide
from workbench.metrics.curves import staircase
from workbench.metrics.settings import Settings
from workbench.metrics.shares import shares
from workbench.types import Estimate

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
RULES = ("half", "f1", "youden", "cost", "cost_validation", "recall", "precision", "capacity")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the rules are asked for, as in `[evaluate]` of the config.

    `cost_ratio` is the cost of a false alarm over that of a miss; None: no rule by cost.
    """

    positive: str = ""
    cost_ratio: float | None = None
    min_recall: float = 0.9
    min_precision: float = 0.9
    capacity: float = 0.1


@dataclass(frozen=True, slots=True)
class Choice:
    """A rule's threshold: positive is what scores at least that much; None with a `reason`.

    `parameter` is the number that the rule was asked for, None where it takes none;
    `validation` the counts tp, fp, fn, tn on the examples it was chosen on.
    """

    rule: str
    threshold: float | None
    parameter: float | None = None
    reason: str = ""
    validation: dict[str, int] | None = None


@dataclass(frozen=True)
class _Candidates:
    """Counts at every distinct validation score, the strictest threshold first."""

    tn: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tp: NDArray[np.int64]
    threshold: Floats

    @property
    def recall(self) -> Floats:
        return divide(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> Floats:
        return divide(self.tp, self.tp + self.fp)

    @property
    def false_alarms(self) -> Floats:
        return divide(self.fp, self.fp + self.tn)


def choose_thresholds(scores: Floats, positive: Mask, wanted: Wanted) -> list[Choice]:
    """Choose a threshold by each rule of `RULES` that was asked for.

    Ties between thresholds go to the strictest one, except that `precision` and `capacity`
    take the loosest that keeps their promise, which finds most.

    Args:
        scores: (n,) validation probabilities of the positive class.
        positive: (n,) whether each is of that class.
        wanted: the numbers that rules are asked for.
    """
    ratio = wanted.cost_ratio
    choices = [Choice("half", 0.5)]
    rules: list[tuple[str, float | None, Callable[[_Candidates], int | None], str]] = [
        ("f1", None, lambda c: _best(2 * c.tp / (2 * c.tp + c.fp + c.fn)), ""),
        ("youden", None, lambda c: _best(c.recall - c.false_alarms), ""),
        ("recall", wanted.min_recall, lambda c: _first(c.recall >= wanted.min_recall), ""),
        (
            "precision",
            wanted.min_precision,
            lambda c: _last(c.precision >= wanted.min_precision),
            f"no threshold reaches a precision of {wanted.min_precision:g} on validation",
        ),
        (
            "capacity",
            wanted.capacity,
            lambda c: _last((c.tp + c.fp) <= wanted.capacity * len(scores) + 1e-9),
            f"no threshold calls {wanted.capacity:g} of the validation examples or fewer: too few, or too many equal",
        ),
    ]
    if ratio is not None:
        choices.append(Choice("cost", ratio / (1 + ratio), ratio))
        rules.append(("cost_validation", ratio, lambda c: _cheapest(c, ratio), ""))
    problem = _problem(scores, positive)
    if not problem:
        steps = staircase(scores, positive)
        missed, spared = steps.positives - steps.tp, steps.n - steps.positives - steps.fp
        candidates = _Candidates(spared, steps.fp, missed, steps.tp, steps.threshold)
    for rule, parameter, pick, otherwise in rules:
        place = None if problem else pick(candidates)
        if place is None:
            choices.append(Choice(rule, None, parameter, problem or otherwise))
        else:
            choices.append(Choice(rule, float(candidates.threshold[place]), parameter))
    if len(scores):
        choices = [_counted(choice, scores, positive) for choice in choices]
    return sorted(choices, key=lambda choice: RULES.index(choice.rule))


def _counted(choice: Choice, scores: Floats, positive: Mask) -> Choice:
    if choice.threshold is None:
        return choice
    return replace(choice, validation=_counts(scores >= choice.threshold, positive))


def _counts(called: Mask, positive: Mask) -> dict[str, int]:
    pairs = {"tp": called & positive, "fp": called & ~positive, "fn": ~called & positive, "tn": ~called & ~positive}
    return {name: int(rows.sum()) for name, rows in pairs.items()}


def judge_thresholds(
    choices: list[Choice],
    scores: Floats,
    positive: Mask,
    cost_ratio: float | None,
    settings: Settings,
    clusters: NDArray[np.generic] | None,
) -> list[dict[str, Any]]:
    """What each threshold does to other examples than those it was chosen on.

    Returns:
        Per choice `rule, threshold, parameter, reason, validation`, the counts `tp, fp, fn, tn`, the
        Estimates `recall, precision, specificity, selected` (share called positive), `f1` and,
        with a cost ratio, `cost`: (ratio x fp + fn) / n, in costs of a miss.
    """
    called = {i: scores >= c.threshold for i, c in enumerate(choices) if c.threshold is not None}
    everyone = np.ones(len(scores), dtype=bool)
    estimates = shares(
        {
            (i, name): pair
            for i, yes in called.items()
            for name, pair in {
                "recall": (yes, positive),
                "precision": (positive, yes),
                "specificity": (~yes, ~positive),
                "selected": (yes, everyone),
            }.items()
        },
        settings,
        clusters,
    )
    judged = []
    for i, choice in enumerate(choices):
        entry: dict[str, Any] = asdict(choice)
        if i in called:
            counts = _counts(called[i], positive)
            entry |= counts
            tp, fp, fn = counts["tp"], counts["fp"], counts["fn"]
            for name in ("recall", "precision", "specificity", "selected"):
                entry[name] = asdict(_with_reason(name, estimates[(i, name)]))
            entry["f1"] = 2 * tp / (2 * tp + fp + fn) if tp + fn else None
            if cost_ratio is not None and len(scores):
                entry["cost"] = (cost_ratio * fp + fn) / len(scores)
        judged.append(entry)
    return judged


_EMPTY = {
    "recall": "no test example of the class",
    "precision": "no test example was called positive",
    "specificity": "every test example is of the class",
    "selected": "no test example",
}


def _with_reason(name: str, estimate: Estimate) -> Estimate:
    if estimate.value is not None:
        return estimate
    return Estimate(None, n=0, interval=estimate.interval, reason=_EMPTY[name])


def _problem(scores: Floats, positive: Mask) -> str:
    if not len(scores):
        return "no validation example with a known class to choose it on"
    if not positive.any() or positive.all():
        return f"{'no' if not positive.any() else 'every'} validation example is of the class: nothing to choose by"
    if np.ptp(scores) == 0:
        return "all validation examples have the same score: a threshold takes all or none"
    return ""


def _best(values: Floats) -> int:
    # The strictest of those that differ by rounding alone.
    return int(np.argmax(values >= values.max() - 1e-12))


def _first(kept: Mask) -> int | None:
    return int(np.argmax(kept)) if kept.any() else None


def _last(kept: Mask) -> int | None:
    return int(np.flatnonzero(kept)[-1]) if kept.any() else None


def _cheapest(c: _Candidates, ratio: float) -> int:
    return _best(-(ratio * c.fp.astype(np.float64) + c.fn) / (ratio + 1))
