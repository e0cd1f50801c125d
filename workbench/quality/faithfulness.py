"""Whether an attribution says what the model does: hide what it names and watch the answer.

Every function asks the probe in few calls and is deterministic under `rng`. Answers are in
the question's unit (a logit, the target's unit), not in probabilities. "Hidden" is what the
probe's filler makes of it, so these numbers share its artefacts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workbench.probe import Probe

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


def ranking(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features from the largest value to the smallest, (M,); ties are broken by lot."""
    values = np.asarray(values, dtype=np.float64)
    return np.lexsort((rng.permutation(len(values)), -values))


def grid(m: int, steps: int) -> np.ndarray:
    """At most `steps` about equal steps from 0 to m, symmetric: k is in it where m - k is."""
    half = np.linspace(0, m // 2, max(1, (steps - m % 2) // 2) + 1).astype(int)
    return np.unique(np.concatenate([half, m - half]))


def thinned(counts: np.ndarray, steps: int) -> np.ndarray:
    """About `steps` steps of a `grid`, both ends and the symmetry kept: what a finer curve asked answers them too."""
    return np.asarray(counts[grid(len(counts) - 1, steps)])


def along(values: np.ndarray, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """All masks that the measures of one order need, (n, M): at `counts` steps and at `SHARES`, hidden and kept.

    Put to a probe that remembers, they are asked in one batch.
    """
    order = ranking(values, rng)
    hidden = _hide_first(order, np.unique(np.concatenate([counts, _top(len(order), SHARES)])))
    return np.concatenate([hidden, ~hidden])


def curves(probe: Probe, orders: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers along orders of the features, all asked in one call.

    Args:
        probe: the question.
        orders: (R, M) rankings, most important first.
        steps: at most this many steps.

    Returns:
        Fractions (K,), deletion (R, K): the answer with the first features hidden, and
        insertion (R, K): with only them kept.
    """
    orders = np.atleast_2d(orders)
    m = orders.shape[1]
    counts = grid(m, steps)
    first = np.argsort(orders, axis=1)[:, None, :] < counts[None, :, None]
    masks = np.concatenate([~first, first]).reshape(-1, m)
    answers = probe.score(masks).reshape(2, len(orders), len(counts))
    return counts / m, answers[0], answers[1]


def deletion_auc(probe: Probe, values: np.ndarray, rng: np.random.Generator, *, steps: int = 50) -> float:
    """Area under the answer as features are hidden, largest value first; lower is better (Petsiuk 2018)."""
    at, deletion, _ = curves(probe, ranking(values, rng), steps)
    return float(np.trapezoid(deletion[0], at))


def insertion_auc(probe: Probe, values: np.ndarray, rng: np.random.Generator, *, steps: int = 50) -> float:
    """Area under the answer as features are revealed, largest value first; higher is better (Petsiuk 2018)."""
    at, _, insertion = curves(probe, ranking(values, rng), steps)
    return float(np.trapezoid(insertion[0], at))


def order_skill(
    probe: Probe, values: np.ndarray, rng: np.random.Generator, *, steps: int = 50, orders: int = 10
) -> dict[str, float]:
    """Deletion and insertion against orders drawn by lot; an area alone says nothing.

    Each random order is also run backwards. `separation` is insertion minus deletion area;
    for a random order its sign is a coin's, so an attribution that knows nothing beats
    all `2 orders` values with probability 1 / (2 orders + 2), whatever the model.
    `orders_beaten` is the share it beats, NaN where every order does equally well.

    Skills are differences of areas over the range of all answers seen, positive where better
    than random. (Dividing by the random area, as is customary, would make them depend on
    where the zero of a logit happens to be.)
    """
    drawn = np.array([rng.permutation(len(values)) for _ in range(orders)])
    at, deletion, insertion = curves(probe, np.concatenate([ranking(values, rng)[None], drawn]), steps)
    del_area, ins_area = np.trapezoid(deletion, at, axis=1), np.trapezoid(insertion, at, axis=1)
    # Backwards, the deletion of an order is its insertion read from the other end.
    random_area = float(np.concatenate([del_area[1:], ins_area[1:]]).mean())
    separation = ins_area - del_area
    null = np.concatenate([separation[1:], -separation[1:]])
    reach = float(max(deletion.max(), insertion.max()) - min(deletion.min(), insertion.min()))
    tiny = 1e-9 * reach
    told_apart = np.ptp(separation) > tiny
    beaten = float((separation[0] >= null - tiny).mean())
    return {
        "deletion_auc": float(del_area[0]),
        "insertion_auc": float(ins_area[0]),
        "random_auc": random_area,
        "deletion_skill": float((random_area - del_area[0]) / reach) if reach else math.nan,
        "insertion_skill": float((ins_area[0] - random_area) / reach) if reach else math.nan,
        "separation": float(separation[0]),
        "orders_beaten": beaten if told_apart else math.nan,
    }


def deletion_skill(
    probe: Probe,
    values: np.ndarray,
    rng: np.random.Generator,
    *,
    steps: int = 10,
    orders: int = 3,
    counts: np.ndarray | None = None,
) -> float:
    """The `deletion_skill` of `order_skill` alone, at half its cost; NaN where the answer never changes.

    `counts` are the steps themselves, where they are not to be `grid`'s.
    """
    drawn = np.array([rng.permutation(len(values)) for _ in range(orders)])
    every = np.concatenate([ranking(values, rng)[None], drawn, drawn[:, ::-1]])
    counts = grid(len(values), steps) if counts is None else counts
    masks = np.argsort(every, axis=1)[:, None, :] >= counts[None, :, None]
    answers = probe.score(masks.reshape(-1, len(values))).reshape(len(every), len(counts))
    area = np.trapezoid(answers, counts / len(values), axis=1)
    reach = float(np.ptp(answers))
    return float((area[1:].mean() - area[0]) / reach) if reach else math.nan


def aopc(
    probe: Probe,
    values: np.ndarray,
    rng: np.random.Generator,
    *,
    groups: int = 10,
    counts: np.ndarray | None = None,
) -> dict[str, float]:
    """Area over the perturbation curve (Samek 2017): most relevant first, least first, difference.

    The mean of f(x) - f(x with the first k groups hidden) over k = 0..groups. The difference
    cancels much of what hiding does by itself; larger is better. `counts` are the numbers of
    features that are hidden, both ends among them, where these are not to be `groups` even steps:
    the curve is taken as straight between them and read at the even ones, so that inputs of few and many parts compare.
    """
    order = ranking(values, rng)
    m = len(order)
    even = np.linspace(0, m, groups + 1)
    if counts is None:
        counts = even = np.unique(np.round(np.linspace(0, m, min(groups, m) + 1)).astype(int))
    masks = np.concatenate([_hide_first(order, counts), _hide_first(order[::-1], counts)])
    answers = [np.interp(even, counts, a) for a in probe.score(masks).reshape(2, -1)]
    morf, lerf = (float((a[0] - a).mean()) for a in answers)
    return {"morf": morf, "lerf": lerf, "aopc": morf - lerf}


def comprehensiveness(
    probe: Probe, values: np.ndarray, rng: np.random.Generator, *, shares: tuple[float, ...] = SHARES
) -> float:
    """Mean of f(x) - f(x without the top k features) over shares k (ERASER, DeYoung 2020); higher is better."""
    order = ranking(values, rng)
    answers = probe.score(np.concatenate([_hide_first(order, [0]), _hide_first(order, _top(len(order), shares))]))
    return float((answers[0] - answers[1:]).mean())


def sufficiency(
    probe: Probe, values: np.ndarray, rng: np.random.Generator, *, shares: tuple[float, ...] = SHARES
) -> float:
    """Mean of f(x) - f(only the top k features) over shares k (ERASER, DeYoung 2020); lower is better."""
    order = ranking(values, rng)
    answers = probe.score(np.concatenate([_hide_first(order, [0]), ~_hide_first(order, _top(len(order), shares))]))
    return float((answers[0] - answers[1:]).mean())


def monotonicity(probe: Probe, values: np.ndarray, rng: np.random.Generator, *, steps: int = 20) -> float:
    """Share of steps that do not lower the answer when features are revealed, smallest value first."""
    counts = grid(len(values), steps)
    answers = probe.score(~_hide_first(ranking(values, rng)[::-1], counts))
    reach = max(np.ptp(answers), 1e-300)
    return float((np.diff(answers) >= -1e-12 * reach).mean())


def faithfulness_correlation(
    probe: Probe,
    values: np.ndarray,
    rng: np.random.Generator,
    *,
    masks: np.ndarray | None = None,
    share: float = 0.2,
    subsets: int = 100,
) -> float:
    """Pearson correlation of a subset's summed values with what hiding it takes away (Bhatt 2020).

    `masks` (n, M) are coalitions that the attribution was not fitted to; without them,
    `subsets` sets of `share` of the features are drawn. NaN where either side is constant.
    """
    m = len(values)
    if masks is None:
        masks = _subsets(m, max(1, round(share * m)), subsets, rng)
    claimed, found = _claims(probe, values, masks)
    return _pearson(claimed, found)


def sensitivity_n(
    probe: Probe,
    values: np.ndarray,
    rng: np.random.Generator,
    *,
    sizes: tuple[int, ...] | None = None,
    subsets: int = 50,
) -> dict[int, float]:
    """`faithfulness_correlation` for hidden sets of exactly n features (Ancona 2018), by n.

    Each draw is a set's own sum against its own effect. Default sizes: 1, sqrt(M), M/4, M/2.
    """
    m = len(values)
    wanted = sizes or tuple(sorted({max(1, min(m, round(n))) for n in (1, math.sqrt(m), m / 4, m / 2)}))
    masks = [~np.eye(m, dtype=bool) if n == 1 else _subsets(m, n, subsets, rng) for n in wanted]
    claimed, found = _claims(probe, values, np.concatenate(masks))
    ends = np.cumsum([len(part) for part in masks])[:-1]
    parts = zip(wanted, np.split(claimed, ends), np.split(found, ends), strict=True)
    return {n: _pearson(a, b) for n, a, b in parts}


def infidelity(
    probe: Probe,
    values: np.ndarray,
    rng: np.random.Generator,
    *,
    masks: np.ndarray | None = None,
    subsets: int = 100,
) -> dict[str, float]:
    """Expected squared error of the values' claim about hidden sets (Yeh 2019).

    Returns:
        `raw` in the unit squared; `scaled`, after the one factor beta that fits the values
        best (Yeh 2019, section 3; 0 where all are 0); `relative`, raw over the variance of
        the effects: 0 is perfect, 1 no better than one constant, NaN where nothing varies.
    """
    m = len(values)
    if masks is None:
        masks = rng.random((subsets, m)) < 0.5
    claimed, found = _claims(probe, values, masks)
    power = float((claimed**2).mean())
    beta = float((claimed * found).mean()) / power if power > 0 else 0.0
    raw, spread = float(((claimed - found) ** 2).mean()), float(found.var())
    constant = spread <= 1e-18 * max(1.0, float((found**2).mean()))
    return {
        "raw": raw,
        "scaled": float(((beta * claimed - found) ** 2).mean()),
        "relative": math.nan if constant else raw / spread,
    }


def completeness_gap(probe: Probe, values: np.ndarray) -> dict[str, float]:
    """|sum of values - (f(x) - f(everything hidden))|, and over the difference where that is above 1e-3."""
    m = len(values)
    base, score = probe.score(np.stack([np.zeros(m, dtype=bool), np.ones(m, dtype=bool)]))
    return relative_gap(abs(float(np.sum(values)) - float(score - base)), float(score - base))


def relative_gap(gap: float, difference: float) -> dict[str, float]:
    """A gap in the question's unit and as a share of the difference (NaN below 1e-3)."""
    return {"absolute": gap, "relative": gap / abs(difference) if abs(difference) > 1e-3 else math.nan}


def _hide_first(order: np.ndarray, counts: Any) -> np.ndarray:
    return np.asarray(np.argsort(order)[None, :] >= np.asarray(counts)[:, None])


def _top(m: int, shares: tuple[float, ...]) -> list[int]:
    return [max(1, min(m, round(share * m))) for share in shares]


def _subsets(m: int, hidden: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.argsort(rng.random((n, m)), axis=1).argsort(axis=1) >= hidden)


def _claims(probe: Probe, values: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the values say hiding takes away, and what it does: (n,) and (n,)."""
    masks = np.asarray(masks, dtype=bool)
    answers = probe.score(np.concatenate([np.ones((1, masks.shape[1]), dtype=bool), masks]))
    return ~masks @ np.asarray(values, dtype=np.float64), answers[0] - answers[1:]


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    level = 1e-12 * max(1.0, float(np.abs(a).max(initial=0)), float(np.abs(b).max(initial=0)))
    if min(np.linalg.norm(a), np.linalg.norm(b)) <= level * math.sqrt(len(a)):
        return math.nan
    return float(np.clip(a @ b / size, -1, 1))
