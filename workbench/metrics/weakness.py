"""Where it fails: a shallow tree that looks for weak areas on one part of the data and is judged on another.

The tree is grown on the errors of the validation split; its areas are then counted on the
test split, which had no say in their choice, so that their intervals mean what they say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.attributes import MISSING, spell
from workbench.metrics.counted import Counting, difference
from workbench.stats import Plan, Statistic, bootstrap, holm, permutation_p
from workbench.types import Estimate

DEPTH = 3
LEAST_SHARE = 0.05  # of the growing examples that an area must hold
LEAST = 10  # examples that an area must hold, when growing and when judged
ENOUGH = 60  # growing examples without which nothing is sought
MOST_CATEGORIES = 12
SIGNIFICANT = 0.05

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Property:
    """One property of every example by which errors may differ.

    `values` (n,) are float (NaN: missing) or str (category) by `numeric`; `unit` follows numbers in words.
    """

    name: str
    values: NDArray[Any]
    numeric: bool = True
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One step of a rule: `name` at most, or over, `threshold`; or is, or is not, `category`."""

    name: str
    above: bool  # over the threshold; is not the category
    threshold: float | None = None
    category: str = ""
    missing: bool = False  # examples without the property are in
    unit: str = ""

    def holds(self, values: NDArray[Any]) -> Rows:
        """Which of the values satisfy it."""
        if self.threshold is None:
            return np.asarray((values == self.category) != self.above, dtype=bool)
        unknown = np.isnan(values)
        over = np.where(unknown, False, values > self.threshold)
        return np.asarray(np.where(unknown, self.missing, over == self.above), dtype=bool)

    @property
    def words(self) -> str:
        """The condition as it is printed."""
        if self.threshold is None:
            return f"{self.name} is {'not ' if self.above else ''}{self.category}"
        number = f"{spell(self.threshold)}{f' {self.unit}' if self.unit else ''}"
        end = " or missing" if self.missing else ""
        return f"{self.name} {'over' if self.above else 'up to'} {number}{end}"


@dataclass
class Node:
    """An area: the conditions that lead to it and its two halves."""

    conditions: tuple[Condition, ...] = ()
    worse: bool = False  # than all, on the examples on which the tree was grown
    children: list[Node] = field(default_factory=list)

    def walk(self) -> list[Node]:
        """This area and every area in it, from above."""
        return [self, *(node for child in self.children for node in child.walk())]


def grow(properties: Sequence[Property], errors: Floats, *, seed: int = 0) -> Node:
    """Grow a tree of at most `DEPTH` steps that separates large errors from small ones.

    Args:
        properties: of the n growing examples.
        errors: (n,) how wrong each answer is; larger is worse.
        seed: of ties between equally good steps.

    Returns:
        The area of all examples; without children where nothing could be split.
    """
    from sklearn.tree import DecisionTreeRegressor

    columns, meaning = _columns(properties)
    root = Node()
    if not meaning or np.ptp(errors) == 0:
        return root
    least = max(LEAST, math.ceil(LEAST_SHARE * len(errors)))
    fitted = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=seed).fit(columns, errors)
    tree, overall = fitted.tree_, float(errors.mean())

    def build(place: int, node: Node, rows: NDArray[np.int64]) -> None:
        left, right = int(tree.children_left[place]), int(tree.children_right[place])
        if left < 0:
            return
        column = int(tree.feature[place])
        cells = columns[rows, column]
        to_left = np.where(np.isnan(cells), bool(tree.missing_go_to_left[place]), cells <= tree.threshold[place])
        for child, mine, above in ((left, to_left, False), (right, ~to_left, True)):
            condition = _condition(meaning[column], cells, to_left, above, bool(tree.missing_go_to_left[place]))
            after = Node((*node.conditions, condition), float(tree.value[child].item()) > overall)
            node.children.append(after)
            build(child, after, rows[mine])

    build(0, root, np.arange(len(errors)))
    return root


def _columns(properties: Sequence[Property]) -> tuple[Floats, list[tuple[Property, str]]]:
    """Numbers as they are, and one column a frequent category; which property each column is."""
    columns, meaning = [], []
    for one in properties:
        if one.numeric:
            columns.append(np.asarray(one.values, dtype=np.float64))
            meaning.append((one, ""))
            continue
        names, times = np.unique(one.values.astype(str), return_counts=True)
        for name in names[np.argsort(-times, kind="stable")][:MOST_CATEGORIES].tolist():
            columns.append((one.values == name).astype(np.float64))
            meaning.append((one, name))
    return (np.column_stack(columns) if columns else np.empty((0, 0))), meaning


def _condition(
    meaning: tuple[Property, str], cells: Floats, to_left: Rows, above: bool, missing_left: bool
) -> Condition:
    one, category = meaning
    if not one.numeric:  # the column of a category is 1 where it is: the right side is "is"
        return Condition(one.name, not above, category=category)
    left, right = cells[to_left], cells[~to_left]
    ends = [s[np.isfinite(s)] for s in (left, right)]
    missing = np.isnan(cells).any() and missing_left != above
    low = float(ends[0].max()) if len(ends[0]) else -math.inf
    high = float(ends[1].min()) if len(ends[1]) else math.inf
    return Condition(one.name, above, shortest_between(low, high), missing=bool(missing), unit=one.unit)


def shortest_between(low: float, high: float) -> float:
    """The number of fewest digits in [low, high), nearest to the middle: it cuts as the middle does."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return low if math.isfinite(low) else math.nextafter(high, -math.inf)
    middle = low + (high - low) / 2
    for digits in range(1, 17):
        candidate = float(f"{middle:.{digits - 1}e}")
        if low <= candidate < high:
            return candidate
    return low


def members(node: Node, properties: Sequence[Property]) -> Rows:
    """Which examples lie in an area."""
    by_name = {p.name: p.values for p in properties}
    inside = np.ones(len(properties[0].values), dtype=bool)
    for condition in node.conditions:
        inside &= condition.holds(by_name[condition.name])
    return inside


def words(conditions: Sequence[Condition]) -> str:
    """A rule in words; of several bounds on one number the tightest is said."""
    kept: dict[tuple[str, object], Condition] = {}
    for condition in conditions:
        side: object = condition.above if condition.threshold is not None else (condition.above, condition.category)
        kept[(condition.name, side)] = condition  # a deeper step is a tighter one
    whole = {c.name for c in conditions} - {
        c.name for c in conditions if not c.missing
    }  # missing ones are in all along
    kept = {side: replace(c, missing=c.name in whole) for side, c in kept.items()}
    positive = {c.name for c in kept.values() if c.threshold is None and not c.above}
    said = [c for c in kept.values() if c.threshold is not None or not c.above or c.name not in positive]
    return " and ".join(c.words for c in said) or "all examples"


def judge(
    root: Node,
    properties: Sequence[Property],
    errors: Floats,
    *,
    decisions: bool,
    confidence: float = 0.95,
    resamples: int = 2000,
    permutations: int = 4999,
    seed: int = 0,
    clusters: NDArray[np.generic] | None = None,
) -> dict[str, Any]:
    """Count every area on examples that the tree has not seen.

    Areas that were worse than all when grown are tested against the rest (decisions: Fisher's
    exact test, Newcombe's interval; errors: permutation, bootstrap), corrected over these
    areas (Holm). Of areas within each other the most certain one is named.

    Args:
        root: a tree of `grow`.
        properties: of the judging examples, named as those of the growing ones.
        errors: (n,) 1 for a wrong and 0 for a right decision, or the size of the error.
        decisions: which of the two.
        clusters: (n,) the unit of each row, which is then shuffled as a whole; None where rows are independent.

    Returns:
        `tree` (nested), `areas` (those named, the most certain first), `tested` (how many).
    """
    nodes = root.walk()
    inside = [members(node, properties) for node in nodes] if properties else [np.ones(len(errors), dtype=bool)]
    counting = Counting.of(clusters, confidence, permutations, seed)
    counted = [_count(errors, rows, decisions, counting) for rows in inside]
    tested = [
        i
        for i, node in enumerate(nodes)
        if node.worse and LEAST <= inside[i].sum() <= len(errors) - LEAST and node.conditions
    ]
    settings = {"confidence": confidence, "resamples": resamples, "seed": seed}
    if decisions:
        tests = [counting.apart(errors > 0, inside[i]) for i in tested]
    elif counting.codes is not None:
        tests = [counting.ratio_apart(errors, np.ones(len(errors)), inside[i]) for i in tested]
    else:
        p = permutation_p(errors, [inside[i] for i in tested], permutations=permutations, seed=seed)
        tests = [_errors_against_rest(errors, inside[i], float(q), settings) for i, q in zip(tested, p, strict=True)]
    known = [np.nan if t["p"] is None else t["p"] for t in tests]
    for test, adjusted in zip(tests, holm(known).tolist(), strict=True):
        test["p_holm"] = None if test["p"] is None else adjusted
    judged = [j for j in range(len(tested)) if tests[j]["p"] is not None]
    order = sorted(judged, key=lambda j: (tests[j]["p"], -len(nodes[tested[j]].conditions)))
    named: list[int] = []
    for j in order:
        found = tests[j]
        apart = not any((inside[tested[k]] & inside[tested[j]]).any() for k in named)
        if apart and found["p_holm"] < SIGNIFICANT and found["value"] > 0:
            named.append(j)
    areas = [
        {"words": words(nodes[tested[j]].conditions), **counted[tested[j]], "difference": tests[j]}
        | {"conditions": [asdict(c) for c in nodes[tested[j]].conditions]}
        for j in named
    ]
    marks = {id(nodes[tested[j]]) for j in named}
    facts = {id(node): c for node, c in zip(nodes, counted, strict=True)}
    return {"tree": _nested(root, facts, marks), "areas": areas, "tested": len(judged)}


def _count(errors: Floats, rows: Rows, decisions: bool, counting: Counting) -> dict[str, Any]:
    n = int(rows.sum())
    found: dict[str, Any] = {"n": n, "of": len(errors), "errors": None, "all_errors": None, "value": None, "rest": None}
    if decisions:
        share = counting.share(errors > 0, rows)
        found |= {"errors": int(errors[rows].sum()), "all_errors": int(errors.sum()), "low": share.low}
        found["high"] = share.high
    if n:
        found["value"] = float(errors[rows].mean())
    if n < len(errors):
        found["rest"] = float(errors[~rows].mean())
    return found


def _errors_against_rest(errors: Floats, rows: Rows, p: float, settings: dict[str, Any]) -> dict[str, Any]:
    def function(weights: NDArray[np.int32]) -> Floats:
        w = weights.astype(np.float64)
        means = [np.einsum("bn,n->b", w, errors * s) / np.einsum("bn,n->b", w, s * 1.0) for s in (rows, ~rows)]
        return (means[0] - means[1])[:, None]

    plan = Plan.rows(len(errors), strata=rows.astype(np.int64))
    (drawn,) = bootstrap([Statistic((("gap",),), function)], plan, **settings).values()
    own = Estimate(drawn.value, drawn.interval.low, drawn.interval.high, len(errors), drawn.interval.method)
    return difference(own, p, f"{drawn.interval.method}, permutation")


def _nested(node: Node, facts: dict[int, dict[str, Any]], marks: set[int]) -> dict[str, Any]:
    own = {"words": node.conditions[-1].words if node.conditions else "all examples", **facts[id(node)]}
    return own | {"named": id(node) in marks, "children": [_nested(child, facts, marks) for child in node.children]}


def as_property(name: str, cells: Sequence[Any], *, numeric: bool, unit: str = "") -> Property:
    """A column as a property: numbers with NaN, or words with a word for what is missing."""
    if numeric:
        return Property(name, np.array([np.nan if c is None else float(c) for c in cells]), True, unit)
    return Property(name, np.array([MISSING if c is None else str(c) for c in cells], dtype=object), False)
