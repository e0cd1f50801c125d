"""Proving a gradient graph equal: to autograd of the trained model, and to the deployed file's own slope."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from workbench.backbones.autograd import layer_map
from workbench.backbones.gradients import GradientBackbone
from workbench.backbones.torch import TorchBackbone
from workbench.errors import ExportError, Refusal

TOLERANCE = 1e-4  # of an example's gradient, relative to its length
DIRECTIONS, STEP = 8, 1e-3  # of the central differences; the step relative to the input's length
LEAST_CORRELATION = 0.999
SIZES = (1, 2, 7, 16)
_JITTER, _DRAWS = 1e-6, 4


def check_gradients(
    trained: TorchBackbone, deployed: GradientBackbone, encoded: Any, rows: np.ndarray, seed: int
) -> dict[str, Any]:
    """Compare gradients on real examples at several batch sizes, padded rows included.

    The gradient is that of the scores weighted by random numbers, so every score counts. Where
    it differs by more than `TOLERANCE`, both are asked again at inputs moved by a millionth: at a kink
    (of a ReLU, of a maximum) autograd's own gradient jumps, and none is more right than another. A picture
    of 224 pixels in a network of ReLUs mostly lies at one. There the two have to agree beside it, but for
    a quarter of the examples, which may lie among kinks so dense that they never do.

    Returns:
        The content of `gradients` in parity.json but for the graph's own facts.
    """
    rng = np.random.default_rng(seed)
    worst, n, kinks, beside = 0.0, 0, 0, 0
    per_batch = []
    for size in SIZES:
        errors: list[float] = []
        padded = False
        for start in range(0, min(len(rows), 2 * size), size):
            batch = encoded.batch(rows[start : start + size])
            padded = padded or ("attention_mask" in batch and not batch["attention_mask"].all())
            weights = rng.standard_normal((len(next(iter(batch.values()))), deployed.classes)).astype(np.float32)
            expected, found = autograd(trained, batch, weights), deployed.gradients_of(batch, weights)
            if not (np.isfinite(expected).all() and np.isfinite(found).all()):
                raise ExportError("a gradient is not finite", hint="look for extreme values in the data")
            error = _relative(found, expected)
            for row in np.flatnonzero(error > TOLERANCE):
                one = {k: v[row : row + 1] for k, v in batch.items()}, weights[row : row + 1]
                jumps, agrees = _beside(trained, deployed, *one, expected[row], float(error[row]), rng)
                if jumps:
                    error[row], kinks, beside = 0.0, kinks + 1, beside + agrees
            errors += error.tolist()
        per_batch.append({"batch": size, "padded": bool(padded), "max_error": max(errors, default=0.0)})
        worst, n = max(worst, *errors), n + len(errors)
    correlation = binding(deployed, encoded, rows[:8], rng)
    found_equal = worst <= TOLERANCE and kinks - beside <= max(1, n // 4)
    return {
        "passed": bool(found_equal and correlation >= LEAST_CORRELATION),
        "tolerance": TOLERANCE,
        "n": n,
        "max_error": worst,
        "at_kinks": kinks,
        "agree_beside": beside,
        "per_batch": per_batch,
        "binding": {"correlation": correlation, "least": LEAST_CORRELATION, "directions": DIRECTIONS, "step": STEP},
    }


def autograd(trained: TorchBackbone, batch: Mapping[str, np.ndarray], weights: np.ndarray, moved: Any = 0.0) -> Any:
    """Torch's gradient of weighted scores by the coordinates, (n, *shape); `moved` is added to these."""
    with torch.enable_grad():
        x = (trained.coordinates(batch).detach().clone() + torch.as_tensor(moved)).requires_grad_(True)
        scores = trained.scores_at(x, batch)
        (gradient,) = torch.autograd.grad((scores * torch.as_tensor(weights).to(scores.device)).sum(), x)
    return gradient.detach().cpu().numpy()


def _relative(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Length of the difference over the length of the gradient, (n,)."""
    axes = tuple(range(1, expected.ndim))
    length = np.sqrt((expected.astype(np.float64) ** 2).sum(axis=axes))
    away = np.sqrt(((found.astype(np.float64) - expected) ** 2).sum(axis=axes))
    return np.asarray(away / np.maximum(length, 1e-12))


def _beside(
    trained: TorchBackbone,
    deployed: GradientBackbone,
    batch: Mapping[str, np.ndarray],
    weights: np.ndarray,
    expected: np.ndarray,
    error: float,
    rng: np.random.Generator,
) -> tuple[bool, bool]:
    """One example moved by a millionth: does autograd's own gradient change about as much, do the two agree there?"""
    x = deployed.coordinates(batch)
    size, slopes = float(np.abs(x).mean()), deployed.slopes(batch)
    jumps = agrees = False
    for scale in (1, 10):
        for _ in range(_DRAWS):
            moved = (_JITTER * scale * size * rng.standard_normal((1, *expected.shape))).astype(np.float32)
            own = autograd(trained, batch, weights, moved)
            jumps = jumps or float(_relative(own, expected[None])[0]) >= error / 4
            agrees = agrees or float(_relative(slopes(x + moved, weights[0])[1], own)[0]) <= TOLERANCE
            if jumps and agrees:
                return True, True
    return jumps, agrees


def binding(deployed: GradientBackbone, encoded: Any, rows: np.ndarray, rng: np.random.Generator) -> float:
    """Correlation of central differences of the scores with the gradient, over random directions; the median.

    The scores of pictures are the deployed file's; those of embeddings, which it does not take, the
    graph's, whose scores are checked against the file's.
    """
    found = []
    for row in rows:
        batch = encoded.batch([row])
        x = deployed.coordinates(batch)
        weights = rng.standard_normal(deployed.classes)
        _, gradient = deployed.slopes(batch)(x, weights)
        directions = rng.standard_normal((DIRECTIONS, *x.shape[1:]))
        directions /= np.sqrt((directions**2).sum(axis=tuple(range(1, directions.ndim)), keepdims=True))
        # Half of the directions lean to the gradient: in many dimensions a direction drawn by lot is hardly a slope.
        lean = gradient[0] / max(float(np.sqrt((gradient[0].astype(np.float64) ** 2).sum())), 1e-12)
        shares = rng.uniform(-1, 1, DIRECTIONS).reshape(-1, *[1] * (directions.ndim - 1))
        directions = directions + shares * lean
        # A row at the centre of every column lies at the origin: its step is that of coordinates of size one.
        step = STEP * (float(np.sqrt((x.astype(np.float64) ** 2).sum())) or float(np.sqrt(x.size)))
        ends = np.concatenate([x + step * directions, x - step * directions]).astype(np.float32)
        answers = deployed.scores_at(batch, ends).astype(np.float64) @ weights
        measured = (answers[:DIRECTIONS] - answers[DIRECTIONS:]) / (2 * step)
        foretold = (directions * gradient).reshape(DIRECTIONS, -1).sum(axis=1)
        if measured.std() > 0 and foretold.std() > 0:
            found.append(float(np.corrcoef(measured, foretold)[0, 1]))
    return float(np.median(found)) if found else 1.0


def _column(k: int, scores: torch.Tensor) -> torch.Tensor:
    return scores[:, k]


def check_layer(trained: TorchBackbone, deployed: GradientBackbone, encoded: Any, rows: np.ndarray) -> bool:
    """Whether the layer that Grad-CAM reads, and its gradient, are those of the trained network on every example."""
    for row in rows:
        batch = encoded.batch([row])
        frame = batch["pixel_values"].shape[2], batch["pixel_values"].shape[3]
        best = int(np.argmax(deployed.outputs(batch)[0]))
        weights = np.eye(deployed.classes)[best]
        try:
            expected = layer_map(trained, batch, partial(_column, best), "", frame)
        except Refusal:
            return False
        found = deployed.layer_map(batch, weights, "", frame)
        if found.name != expected.name or found.activation.shape != expected.activation.shape:
            return False
        for a, b in ((found.activation, expected.activation), (found.slope, expected.slope)):
            if not np.allclose(a, b, rtol=1e-3, atol=1e-3 * max(float(np.abs(b).max()), 1e-12)):
                return False
    return True
