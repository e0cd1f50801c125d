"""Attributions along straight paths from baselines to the input, by gradients of the model at points of them.

Integrated gradients (Sundararajan et al. 2017) take the whole path, expected gradients
(Erion et al. 2021, "gradient SHAP") draw points of it. Captum has both with steps that are
fixed beforehand: its default of 50 leaves a gap of 0.025 on its own Titanic model, and more
steps evaluate everything anew. Here every point that was evaluated stays in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import stdtrit

from workbench.bank import Bank
from workbench.explainers.quadrature import Paths
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Differentiable, Probe

PANELS = 4
STEPS = 513
ROUND = 8  # points that a path gets before it is judged again: the next may not be needed
ABSOLUTE, RELATIVE = 1e-3, 0.01
UNSIGNED = 2.0  # times the tolerance: a gap that closes only because misses cancel is not converged
ERROR = 0.05  # of the values' length: a gap is one number, in which the errors of features may cancel
POINTS = 128


def integrated_gradients(
    probe: Probe,
    *,
    bank: Bank | None,
    rng: np.random.Generator,
    panels: int = PANELS,
    steps: int = STEPS,
    absolute: float = ABSOLUTE,
    relative: float = RELATIVE,
) -> Explanation:
    """Integrated gradients, averaged over the baselines, summed to features.

    Adaptive Simpson's rule: `panels` even panels at first; those whose values miss the change
    of the answer across them most are halved, and no point is evaluated twice. A path with
    kinks everywhere is halved evenly, and its values are the trapezoidal rule's. A path is
    left when its values miss f(x) - f(baseline) by at most `absolute` or `relative` of the
    mean difference, the panels' misses on a smooth path, signs aside, are at most twice as
    much, and half of the points give the features so nearly the same that their error is
    at most `ERROR` of their length; or when it has `steps` points, or is far from where that
    many would help. At most `Differentiable.batch` rows go through the model at once.

    `evaluations` counts rows through the model, forward and backward as one.

    Facts: `steps` (most points of a path), `baselines`, `completeness_gap` (mean over
    baselines), `largest_gap` (of one baseline), `unsigned_gap` (the largest sum of misses,
    signs aside), `error` (the largest of a path, estimated, over the length of its values),
    `rough` (paths with kinks everywhere), `converged`, `tolerance`, `quadrature`.
    """
    if probe.differentiable is None:
        raise ValueError("integrated_gradients needs a gradient")
    form = probe.differentiable()
    score, slope = _gradient_at_the_point(form)
    differences = form.point - form.baselines
    evaluations = 1
    # The gradient "at" a baseline is the one just inside the path: nets without bias have a kink at zero.
    first = 1e-12 if differences.dtype == np.float64 else 1e-6
    tolerance, base = absolute, 0.0
    done: list[Paths] = []
    going = [Paths.begin(panels, score, _products(form, slope, differences), form.pool)]
    while going:
        rows = np.concatenate([np.repeat(group.rows, len(group.missing)) for group in going])
        at = np.concatenate([np.tile(group.missing, len(group.rows)) for group in going])
        found = list(along(form, rows, np.maximum(at, first)))
        answers, products = (np.concatenate([part[i] for part in found]) for i in (1, 2))
        start = 0
        for group in going:
            own = slice(start, start := start + len(group.rows) * len(group.missing))
            group.add(answers[own], products[own])
        if evaluations == 1:
            base = float(form.mean(going[0].bases))
            tolerance = max(absolute, relative * abs(score - base))
        evaluations += start
        further = []
        for group in going:
            most = min(ROUND, steps - len(group.at))
            left = ~group.settled(tolerance, UNSIGNED * tolerance, ERROR) & (most >= 2)
            left &= ~group.hopeless(steps, tolerance, UNSIGNED * tolerance)
            if not left.all():
                done.append(group.of(np.flatnonzero(~left)))
            if left.any():
                further += group.of(np.flatnonzero(left)).halved(most, UNSIGNED * tolerance)
        going = further
    order = np.argsort(np.concatenate([group.rows for group in done]))
    fine = form.mean(np.concatenate([group.integrals() for group in done])[order])
    gaps, unsigned, error, length, rough = (
        np.concatenate([getattr(group.seen, name) for group in done])
        for name in ("miss", "unsigned", "error", "length", "rough")
    )
    facts: dict[str, Any] = {
        "steps": max(len(group.at) for group in done),
        "baselines": len(differences),
        "completeness_gap": abs(float(fine.sum()) - (score - base)),
        "largest_gap": float(np.abs(gaps).max()),
        "unsigned_gap": float(unsigned.max()),
        "error": float((error / np.maximum(length, tolerance)).max()),
        "rough": int(rough.sum()),
        "converged": bool((np.abs(gaps) <= tolerance).all() and (error <= np.maximum(tolerance, ERROR * length)).all()),
        "tolerance": tolerance,
        "quadrature": "adaptive; Boole, trapezoidal on rough paths",
    }
    return _explanation(form, fine, base, score, evaluations, facts)


def expected_gradients(
    probe: Probe,
    *,
    bank: Bank | None,
    rng: np.random.Generator,
    points: int = POINTS,
    confidence: float = 0.95,
) -> Explanation:
    """Expected gradients: the mean of gradient times (input - baseline) at points of the paths drawn by lot.

    Every baseline gets the same number of points, at least 2, one in each even stretch of its
    path: drawing baselines by lot, as captum's `GradientShap` does, would add their own
    scatter. The interval is the standard error of the points within a path; it is too
    wide rather than too narrow, as the stretches are ignored.

    Facts: `points`, `baselines`, `completeness_gap` (sampling error of the sum), `confidence`.
    """
    if probe.differentiable is None:
        raise ValueError("expected_gradients needs a gradient")
    form = probe.differentiable()
    score, _ = _gradient_at_the_point(form)
    base = _base(form)
    count = len(form.baselines)
    each = max(2, -(-points // count))
    at = (np.arange(each)[None, :] + rng.uniform(size=(count, each))) / each
    rows = np.repeat(np.arange(count), each)
    share = np.full(count, 1 / count) if form.weights is None else np.asarray(form.weights)
    fine = np.zeros(1)
    pooled = np.zeros((count * each, len(probe.features)))
    for index, _, products in along(form, rows, at.ravel()):
        for i, product in zip(index, products, strict=True):
            fine = fine + share[rows[i]] / each * product
            pooled[i] = form.pool(product)
    spread = pooled.reshape(count, each, -1).var(axis=1, ddof=1)
    error = np.sqrt((share[:, None] ** 2 * spread / each).sum(axis=0))
    half = float(stdtrit(count * (each - 1), (1 + confidence) / 2)) * error
    facts = {
        "points": count * each,
        "baselines": count,
        "completeness_gap": abs(float(fine.sum()) - (score - base)),
        "confidence": confidence,
    }
    found = _explanation(form, fine, base, score, 1 + count + count * each, facts)
    return Explanation(
        found.values,
        low=found.values - half,
        high=found.values + half,
        dense=found.dense,
        base_score=base,
        score=score,
        evaluations=found.evaluations,
        facts=found.facts,
    )


def along(form: Differentiable, rows: np.ndarray, at: np.ndarray) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """Answers (n,) and gradient times (input - baseline) at points `at` of the paths of `rows`.

    The products are (n, *shape), summed along `Differentiable.summed`.

    Yields:
        (places in `rows`, answers, products) of at most `Differentiable.batch` points at once.
    """
    differences = form.point - form.baselines
    for start in range(0, len(rows), max(1, form.batch)):
        index = range(start, min(start + max(1, form.batch), len(rows)))
        difference = differences[rows[index]]
        share = at[index].astype(difference.dtype).reshape(-1, *[1] * (difference.ndim - 1))
        points = difference * share
        points += form.baselines[rows[index]]
        answers, gradient = form.slopes(points)
        yield index, answers, _products(form, gradient, difference)


def _products(form: Differentiable, gradient: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Gradient times difference; that of a text has 384 numbers a word, of which only the sum is asked."""
    if form.summed == -1:  # one pass; the products too are of float64, without which 384 of them lose two digits
        return np.einsum("...d,...d->...", gradient, difference, dtype=np.float64)[..., None]
    found = gradient * difference
    return found if form.summed is None else found.sum(axis=form.summed, keepdims=True, dtype=np.float64)


def _gradient_at_the_point(form: Differentiable) -> tuple[float, np.ndarray]:
    """The answer at the input and its gradient there, which the paths of all baselines share."""
    answers, gradients = form.slopes(form.point)
    return float(answers[0]), gradients[0]


def _base(form: Differentiable) -> float:
    step = max(1, form.batch)
    parts = [form.slopes(form.baselines[s : s + step])[0] for s in range(0, len(form.baselines), step)]
    return float(form.mean(np.concatenate(parts)))


def _explanation(
    form: Differentiable, fine: np.ndarray, base: float, score: float, evaluations: int, facts: dict[str, Any]
) -> Explanation:
    return Explanation(
        values=np.asarray(form.pool(fine), dtype=np.float64),
        dense=None if form.dense is None else np.asarray(form.dense(fine)),
        base_score=base,
        score=score,
        evaluations=evaluations,
        facts=facts | form.facts,
    )


INTEGRATED_GRADIENTS = Explainer(
    name="integrated-gradients",
    title="Integrated gradients",
    caption="How much each part adds to the answer along the straight path from a baseline to the input.",
    library="",
    needs=frozenset({"gradient"}),
    uses_bank=False,
    explain=integrated_gradients,
    complete=True,
    claims="path",
)

GRADIENT_SHAP = Explainer(
    name="gradient-shap",
    title="Gradient SHAP",
    caption="Gradients averaged over points drawn from the paths to the baselines; adds up but for the sampling error.",
    library="",
    needs=frozenset({"gradient"}),
    uses_bank=False,
    explain=expected_gradients,
    complete=True,
)
