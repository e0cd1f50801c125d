"""Games with known answers, as probes: what explainers and quality measures are tested on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy.cluster.hierarchy import linkage

from workbench.probe import Differentiable, Probe
from workbench.types import Feature, Question


def game(value: Callable[[np.ndarray], np.ndarray], m: int, **more: object) -> Probe:
    """A probe whose answer is `value` of the (n, m) masks as floats."""
    return Probe(
        question=Question("value", "the value of the game"),
        example_id="game",
        features=tuple(Feature(f"x{i}") for i in range(m)),
        hide=lambda masks: {"masks": masks},
        answer=lambda batch: value(batch["masks"].astype(np.float64)),
        filler="nothing",
        **more,  # type: ignore[arg-type]
    )


def additive(weights: np.ndarray, base: float = 0.0) -> Probe:
    """f(S) = base + sum of the kept weights."""
    return game(lambda z: base + z @ weights, len(weights))


def quadratic(rng: np.random.Generator, m: int) -> tuple[Probe, np.ndarray]:
    """A random game of order 2 and its Shapley values: main effect plus half of each pair."""
    main, pairs = rng.normal(size=m), np.triu(rng.normal(size=(m, m)), 1)
    probe = game(lambda z: z @ main + np.einsum("ni,ij,nj->n", z, pairs, z), m)
    return probe, main + (pairs.sum(axis=0) + pairs.sum(axis=1)) / 2


def net(rng: np.random.Generator, m: int) -> Probe:
    """A random two-layer tanh network on the mask: interactions of every order."""
    first, bias, second = rng.normal(size=(m, 2 * m)), rng.normal(size=2 * m), rng.normal(size=2 * m)
    return game(lambda z: np.tanh(z @ first / math.sqrt(m) * 2 + bias) @ second, m)


def table_game(scores: np.ndarray) -> Probe:
    """The game whose value for mask z is scores[sum z_i 2^i]."""
    m = int(math.log2(len(scores)))
    return game(lambda z: scores[(z @ (1 << np.arange(m))).astype(int)], m)


def shapley_by_definition(probe: Probe) -> np.ndarray:
    """Shapley values as the mean marginal contribution over coalitions, from the 1953 formula."""
    m = len(probe.features)
    values = np.zeros(m)
    for i in range(m):
        others = [j for j in range(m) if j != i]
        for s in range(m):
            for members in itertools.combinations(others, s):
                mask = np.zeros((2, m), dtype=bool)
                mask[:, list(members)] = True
                mask[1, i] = True
                without, with_ = probe.score(mask)
                values[i] += (with_ - without) * math.factorial(s) * math.factorial(m - s - 1) / math.factorial(m)
    return values


def continuous(
    forward: Callable[[object], object],
    point: np.ndarray,
    baselines: np.ndarray,
    *,
    batch: int = 64,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    module: object = None,
) -> Probe:
    """A torch function of coordinates as a probe; hidden coordinates take the baselines in turn.

    `groups` (d,) says which feature a coordinate belongs to; None: each its own.
    """
    import torch

    from workbench.backbones.autograd import slopes_of

    d = point.size
    groups = np.arange(d) if groups is None else groups
    m = int(groups.max()) + 1
    repeats = len(baselines)
    onto = np.eye(m)[groups]

    def hide(masks: np.ndarray) -> dict[str, np.ndarray]:
        keep = np.repeat(masks[:, groups], repeats, axis=0)
        return {"x": np.where(keep, point[None, :], np.tile(baselines, (len(masks), 1)))}

    def answer(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            return forward(torch.as_tensor(inputs["x"])).numpy()  # type: ignore[attr-defined]

    form = Differentiable(
        slopes=slopes_of(forward),  # type: ignore[arg-type]
        forward=forward,
        point=point[None],
        baselines=baselines,
        pool=lambda fine: fine @ onto,
        dense=lambda fine: fine.reshape(1, -1),
        batch=batch,
        weights=weights,
    )
    return Probe(
        question=Question("value", "the value of the function"),
        example_id="point",
        features=tuple(Feature(f"x{i}") for i in range(m)),
        hide=hide,
        answer=answer,
        filler="the baselines",
        repeats=repeats,
        differentiable=lambda: form,
        weights=weights,
        module=module,
        hierarchy=lambda: linkage(np.arange(m, dtype=float)[:, None], "complete"),
    )


def owen_by_definition(probe: Probe) -> np.ndarray:
    """Owen values of the probe's tree: marginal contributions averaged over all 2^(M - 1) orders it allows."""
    assert probe.hierarchy is not None
    m = len(probe.features)
    trees: dict[int, list[list[int]]] = {i: [[i]] for i in range(m)}
    for k, (a, b, *_) in enumerate(probe.hierarchy()):
        pairs = itertools.product(trees[int(a)], trees[int(b)])
        trees[m + k] = [order for x, y in pairs for order in (x + y, y + x)]
    values = np.zeros(m)
    for order in trees[2 * m - 2]:
        mask = np.zeros((m + 1, m), dtype=bool)
        for place, i in enumerate(order):
            mask[place + 1 :, i] = True
        values[order] += np.diff(probe.score(mask))
    return values / len(trees[2 * m - 2])
