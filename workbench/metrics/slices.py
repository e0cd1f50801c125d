"""Who is served worse: every measure for slices of the data, against the rest and before against after.

A slice is the examples of one value of an attribute, or of two values of two attributes.
Slices of fewer than `FEW` examples are not tested, those of fewer than `FEWEST` only counted.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.metrics.attributes import Attribute
from workbench.metrics.counted import Counting
from workbench.metrics.slice_errors import value_tests
from workbench.metrics.slice_labels import MOST_LABELS, label_tests, sliced_labels
from workbench.metrics.slice_tests import Tests, class_tests
from workbench.metrics.splits import class_rows, label_rows, paired_rows, value_rows
from workbench.stats import LEAST_GROUPS, Plan, codes_of, grouped_gap, holm, permutation_gap
from workbench.stats.permutation import PERMUTATIONS
from workbench.types import ClassScores, LabelScores, Predictions, Values

FEW = 30  # examples below which a slice is not tested
FEWEST = 10  # examples below which a slice is only counted
GAP_PERMUTATIONS = 1999  # at most: gaps are few, so their correction needs no smaller p-values
MOST_CROSSED = 100  # crossed slices that are listed, the largest
MODELS = ("base", "onnx")
UNKNOWN_TASK = "slices are not computed for this task"
Codes = NDArray[np.int64] | None


@dataclass(frozen=True)
class Slice:
    """The rows of one value of an attribute, or of two of two."""

    where: tuple[tuple[str, str], ...]
    rows: NDArray[np.bool_]

    @property
    def n(self) -> int:
        return int(self.rows.sum())


def slice_results(
    before: Predictions,
    after: Predictions,
    attributes: Sequence[Attribute],
    *,
    split: str = "test",
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    clusters: NDArray[np.generic] | None = None,
    positive: str = "",
) -> dict[str, Any]:
    """Measure both models on every slice of one split.

    Proportions: Wilson's interval, Newcombe's of the difference from the rest, Fisher's exact
    test; the change by Newcombe's paired interval and McNemar's exact test. Errors of a
    regression: bootstrap intervals; permutation of rows against the rest, random swaps of the
    two models for the change. Sets of labels: the share of whole sets as a proportion, and with
    bootstrap and permutation the share of wrong decisions and the F1 of each label. With
    clusters every interval is linearised over whole groups, every test shuffles groups or turns
    their signs (`workbench.stats.grouped`). P-values are corrected (Holm) over all tested slices of a model.
    The gap of an attribute (largest minus smallest value of its slices) stands beside the gap
    that shuffled values give. Source: science.md, sections 1, 2 and 4.

    Args:
        before: predictions of the model before the change.
        after: predictions of the deployed model, of the same examples.
        attributes: what to group by, aligned with the rows of `before`.
        split: whose examples are measured.
        resamples: of the bootstrap.
        confidence: coverage of the intervals.
        seed: of resamples and permutations.
        permutations: of the permutation tests.
        clusters: (n,) the unit of each row of `before`; None where rows are independent.
        positive: of two classes the one that is looked for; empty: the second.

    Returns:
        The content of `slices.json` (docs/artefacts.md).

    Raises:
        DataError: if the two are not predictions of the same examples.
    """
    result: dict[str, Any] = {"split": split, "n": 0, "few": FEW, "fewest": FEWEST, "confidence": confidence}
    result |= {"measure": "", "unit": "", "reason": "", "attributes": [], "slices": [], "left_out": []}
    if not isinstance(before, ClassScores | LabelScores | Values):
        return result | {"reason": UNKNOWN_TASK}
    mine = np.flatnonzero(before.splits == split)
    a, b = paired_rows(before, after, split)
    index, problem = _known(a, b)
    if problem:
        return result | {"reason": f"slices are not computed: {problem}"}
    a, b = a.where(index), b.where(index)
    mine = mine[index]
    units = None if clusters is None else np.asarray(clusters)[mine]
    counting = Counting.of(units, confidence, permutations, seed)
    left_out: list[dict[str, Any]] = []
    if isinstance(a, ClassScores) and isinstance(b, ClassScores):
        looked_for = list(a.labels).index(positive) if len(a.labels) == 2 and positive in a.labels else 1
        tests: Tests = class_tests(a, b, counting, looked_for)
        measure, unit = "accuracy", ""
    elif isinstance(a, LabelScores) and isinstance(b, LabelScores):
        tests = label_tests(a, b, counting, resamples, Plan.rows(len(mine), clusters=units))
        measure, unit = "subset_accuracy", ""
        result["labels"] = sliced_labels(b)
        more = len(b.labels) - MOST_LABELS
        if more > 0:
            left_out.append(
                {"attribute": "", "reason": f"F1 of {more:,} labels beyond the {MOST_LABELS} most frequent"}
            )
    elif isinstance(a, Values) and isinstance(b, Values):
        tests = value_tests(a, b, confidence, resamples, seed, permutations, units)
        measure, unit = "mae", a.unit
    codes = None if units is None else codes_of(units)
    here = [dataclasses.replace(one, values=one.values[mine]) for one in attributes]
    found, absent = _slices(here)
    entries = [_entry(one, len(index)) for one in found]
    tests.fill(entries, [one.rows for one in found], FEWEST, FEW)
    _correct(entries)
    drawn = (
        f"permutations:{permutations}|of_gaps:{min(permutations, GAP_PERMUTATIONS)}|resamples:{resamples}|seed:{seed}"
    )
    return result | {
        "n": len(index),
        "measure": measure,
        "unit": unit,
        "overall": tests.overall(),
        "attributes": _attributes(here, tests, permutations, seed, codes),
        "slices": entries,
        "left_out": absent + left_out,
        "groups": None if codes is None else int(codes.max()) + 1,
        "signature": f"{measure}|n:{len(index)}|confidence:{confidence:g}|{drawn}|workbench:{__version__}",
    }


def _known(a: Predictions, b: Predictions) -> tuple[NDArray[np.int64], str]:
    """Rows with a known target, in their order, and why nothing can be computed."""
    everything = np.ones(len(a.ids), dtype=bool)
    if isinstance(a, ClassScores) and isinstance(b, ClassScores):
        first, second = class_rows(a, everything), class_rows(b, everything)
        return np.sort(first.index), first.problem or second.problem
    if isinstance(a, LabelScores) and isinstance(b, LabelScores):
        mine, others = label_rows(a, everything), label_rows(b, everything)
        return np.sort(mine.index), mine.problem or others.problem
    assert isinstance(a, Values) and isinstance(b, Values)  # paired_rows refuses two types
    ours, theirs = value_rows(a, everything), value_rows(b, everything)
    return np.sort(ours.index), ours.problem or theirs.problem


def _slices(attributes: Sequence[Attribute]) -> tuple[list[Slice], list[dict[str, Any]]]:
    """Slices of one value, then of two, each set of rows once; and what is left out, with the reason."""
    single: list[list[Slice]] = []
    left_out: list[dict[str, Any]] = []
    for one in attributes:
        of_value = [Slice(((one.name, value),), np.asarray(one.values == value)) for value in one.order]
        there = [s for s in of_value if s.n]
        reason = ""
        if len(there) < 2:
            reason = "every example has the same value"
        elif max(s.n for s in there) < FEWEST:
            reason = f"no value occurs in {FEWEST} examples"
        if reason:
            left_out.append({"attribute": one.name, "reason": reason})
        else:
            single.append(there)
    seen = {s.rows.tobytes() for group in single for s in group}
    crossed = []
    small = 0
    for first, second in itertools.combinations(single, 2):
        for x, y in itertools.product(first, second):
            both = Slice(x.where + y.where, x.rows & y.rows)
            if both.rows.tobytes() in seen or not both.n:
                continue  # the same examples have been listed by a shorter name
            seen.add(both.rows.tobytes())
            if both.n < FEWEST:
                small += 1
            else:
                crossed.append(both)
    if small:
        left_out.append({"attribute": "", "reason": f"{small:,} crossed slices have fewer than {FEWEST} examples"})
    if len(crossed) > MOST_CROSSED:
        reason = f"{len(crossed) - MOST_CROSSED:,} crossed slices beyond the {MOST_CROSSED} largest"
        left_out.append({"attribute": "", "reason": reason})
        largest = sorted(range(len(crossed)), key=lambda i: (-crossed[i].n, i))[:MOST_CROSSED]
        crossed = [crossed[i] for i in sorted(largest)]
    return [s for group in single for s in group] + crossed, left_out


def _entry(one: Slice, total: int) -> dict[str, Any]:
    note = "counts only" if one.n < FEWEST else "insufficient" if one.n < FEW else ""
    if not note and total - one.n < FEW:
        note = "the rest is insufficient"
    name = " and ".join(f"{attribute} = {value}" for attribute, value in one.where)
    where = [{"attribute": attribute, "value": value} for attribute, value in one.where]
    return {"name": name, "where": where, "n": one.n, "note": note, "models": {}, "change": None}


def _correct(entries: list[dict[str, Any]]) -> None:
    """Holm's correction over all slices: once a model for the differences, once for the changes."""
    families = [[e["models"][m]["difference"] for e in entries if m in e["models"]] for m in MODELS]
    families.append([e["change"] for e in entries])
    for model in MODELS:
        own = [e["models"].get(model) or {} for e in entries]
        for kind in ("parts", "labels"):  # of sets of labels: wrong decisions, and each label's F1
            families.append([part["difference"] for m in own for part in (m.get(kind) or {}).values()])
    for family in families:
        tests = [t for t in family if t is not None]
        adjusted = holm([np.nan if t["p"] is None else t["p"] for t in tests])
        for test, p in zip(tests, adjusted.tolist(), strict=True):
            test["p_holm"] = None if test["p"] is None else p


def _attributes(
    attributes: Sequence[Attribute], tests: Tests, permutations: int, seed: int, codes: Codes
) -> list[dict[str, Any]]:
    """Each attribute with the gaps between its large enough slices, corrected over all gaps of a model."""
    permutations = min(permutations, GAP_PERMUTATIONS)
    found: list[dict[str, Any]] = []
    for one in attributes:
        entry = {"name": one.name, "kind": one.kind, "edges": list(one.edges), "values": list(one.order)}
        found.append(entry | {"gaps": {m: _gaps(one, tests, m, permutations, seed, codes) for m in MODELS}})
    for model in MODELS:
        gaps = [g for entry in found for g in entry["gaps"][model]]
        adjusted = holm([np.nan if g["p"] is None else g["p"] for g in gaps])
        for gap, p in zip(gaps, adjusted.tolist(), strict=True):
            gap["p_holm"] = None if gap["p"] is None else p
    return found


def _gaps(one: Attribute, tests: Tests, model: str, permutations: int, seed: int, codes: Codes) -> list[dict[str, Any]]:
    """The gap of each measure: largest minus smallest value, with what chance gives."""
    found = []
    for measure, (scores, counted) in tests.rates(model).items():
        sizes = {value: int(np.sum((one.values == value) & counted)) for value in one.order}
        large = [value for value, n in sizes.items() if n >= FEW]
        gap: dict[str, Any] = {"measure": measure, "groups": len(large), "value": None, "low": None, "high": None}
        gap |= {"expected": None, "p95": None, "p": None, "lowest": "", "highest": "", "reason": ""}
        if len(large) < 2:
            found.append(gap | {"reason": f"fewer than two groups have {FEW} examples"})
            continue
        rows = counted & np.isin(one.values, np.array(large, dtype=object))
        kinds = np.array([large.index(value) for value in one.values[rows].tolist()], dtype=np.int64)
        if codes is None:
            test = permutation_gap(scores[rows], kinds, permutations=permutations, seed=seed)
        else:
            of_groups = grouped_gap(scores[rows], kinds, codes[rows], resamples=permutations, seed=seed)
            if of_groups is None:
                few = f"the examples of one of them are of fewer than {LEAST_GROUPS} groups"
                found.append(gap | {"reason": few})
                continue
            test = of_groups
        gap |= {"value": test.value, "expected": test.expected, "p95": test.p95, "p": test.p}
        gap |= {"lowest": large[test.lowest], "highest": large[test.highest]}
        if len(large) == 2:
            high, low = (counted & (one.values == large[i]) for i in (test.highest, test.lowest))
            gap |= tests.two_groups(scores, high, low)
        found.append(gap)
    return found
