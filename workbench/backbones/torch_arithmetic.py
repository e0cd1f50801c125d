"""Rules of ONNX operators that work number by number, and of products of matrices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.backbones.torch_node import Node, Rule, whole
from workbench.errors import Unsupported

# ONNX's numbers of element types; half precision is computed in single.
DTYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float32, 11: torch.float64, 12: torch.int64, 13: torch.int64, 16: torch.float32,
}  # fmt: skip


def _plain(find: Callable[..., Any]) -> Rule:
    return lambda node, *inputs: find(*inputs)


def _many(find: Callable[..., Tensor]) -> Rule:
    return lambda node, *inputs: functools.reduce(find, inputs)


def div(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """Whole numbers are cut towards zero."""
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def mod(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """The remainder has the sign of the divisor, or of the dividend (`fmod`)."""
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


def power(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """A power; squares as a product."""
    if b.numel() == 1 and float(b) == 2.0:  # its gradient at 0 is exact
        return a * a
    return torch.pow(a, b.to(a.dtype) if a.is_floating_point() else b)


def cast(node: Node, x: Tensor) -> Tensor:
    """Another element type."""
    to = node.get("to")
    if to not in DTYPES:
        raise Unsupported(f"Cast to element type {to}")
    return x.to(DTYPES[to])


def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """alpha A B + beta C, with A and B turned where asked."""
    a = a.T if node.get("transA", 0) else a
    b = b.T if node.get("transB", 0) else b
    product = node.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + node.get("beta", 1.0) * c


def einsum(node: Node, *inputs: Tensor) -> Tensor:
    """Einstein's sum."""
    return torch.einsum(node.get("equation"), *inputs)


def attention(
    node: Node,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    *rest: Any,
) -> Tensor:
    """Opset 23: inputs (batch, heads, T, d), or (batch, T, heads d) with the heads as attributes."""
    if any(x is not None for x in (past_key, past_value, *rest)) or node.outputs > 1:
        raise Unsupported("Attention with a cache")
    flat = q.dim() == 3
    if flat:
        heads, others = node.get("q_num_heads"), node.get("kv_num_heads")
        q = q.reshape(*q.shape[:2], heads, -1).transpose(1, 2)
        k, v = (x.reshape(*x.shape[:2], others, -1).transpose(1, 2) for x in (k, v))
    if k.shape[1] != q.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scale = node.get("scale")
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if node.get("is_causal", 0):
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(ahead, float("-inf"))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    cap = node.get("softcap", 0.0)
    if cap:
        scores = cap * torch.tanh(scores / cap)
    out = torch.softmax(scores, dim=-1) @ v
    return out.transpose(1, 2).flatten(2) if flat else out


def cumsum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    """Running sums, from either end, with or without the own value."""
    (place,) = whole(axis)
    x = x.flip(place) if node.get("reverse", 0) else x
    found = torch.cumsum(x, place) - (x if node.get("exclusive", 0) else 0)
    return found.flip(place) if node.get("reverse", 0) else found


def scaler(node: Node, x: Tensor) -> Tensor:
    """ai.onnx.ml: (x - offset) scale."""
    offset, scale = (torch.tensor(node.get(k, [d]), dtype=torch.float32) for k, d in (("offset", 0.0), ("scale", 1.0)))
    return (x.to(torch.float32) - offset.to(x.device)) * scale.to(x.device)


def _linear(node: Node, x: Tensor, rows: int) -> Tensor:
    weights = torch.tensor(node.get("coefficients"), dtype=torch.float32, device=x.device).reshape(rows, -1)
    intercepts = node.get("intercepts")
    scores = x.to(torch.float32) @ weights.T
    return scores if not intercepts else scores + torch.tensor(intercepts, dtype=torch.float32, device=x.device)


def linear_classifier(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    """ai.onnx.ml: the place of the best class, and scores of all; one row of weights is that of the second of two."""
    classes = len(node.get("classlabels_ints") or node.get("classlabels_strings") or [0])
    rows = len(node.get("intercepts") or []) or classes
    scores = _linear(node, x, rows)
    way = node.get("post_transform", "NONE")
    if rows == 1 and classes == 2:
        scores = torch.cat([1 - scores if way in ("NONE", "") else -scores, scores], dim=1)  # as ONNX Runtime does
    return scores.argmax(dim=1), _post(way, scores)


def linear_regressor(node: Node, x: Tensor) -> Tensor:
    """ai.onnx.ml: a linear model of one or more values."""
    return _post(node.get("post_transform", "NONE"), _linear(node, x, node.get("targets", 1)))


def _post(way: str, scores: Tensor) -> Tensor:
    if way in ("NONE", ""):
        return scores
    if way == "LOGISTIC":
        return torch.sigmoid(scores)
    if way == "SOFTMAX":
        return torch.softmax(scores, dim=-1)
    raise Unsupported(f"post_transform {way}")


def normalizer(node: Node, x: Tensor) -> Tensor:
    """ai.onnx.ml: each row over its largest value, its sum of sizes or its length."""
    norm, x = node.get("norm", "MAX"), x.to(torch.float32)
    size = {"MAX": x.abs().amax(1, True), "L1": x.abs().sum(1, True), "L2": x.norm(dim=1, keepdim=True)}[norm]
    return x / torch.where(size > 0, size, torch.ones_like(size))


ARITHMETIC: dict[str, Rule] = {
    "Add": _plain(torch.add), "Sub": _plain(torch.sub), "Mul": _plain(torch.mul), "Div": div, "Mod": mod, "Pow": power,
    "Sqrt": _plain(torch.sqrt), "Exp": _plain(torch.exp), "Log": _plain(torch.log), "Erf": _plain(torch.erf),
    "Neg": _plain(torch.neg), "Abs": _plain(torch.abs), "Sign": _plain(torch.sign), "Floor": _plain(torch.floor),
    "Ceil": _plain(torch.ceil), "Round": _plain(torch.round), "Reciprocal": _plain(torch.reciprocal),
    "Sin": _plain(torch.sin), "Cos": _plain(torch.cos), "Tan": _plain(torch.tan), "Atan": _plain(torch.atan),
    "Asin": _plain(torch.asin), "Acos": _plain(torch.acos), "Sinh": _plain(torch.sinh), "Cosh": _plain(torch.cosh),
    "IsNaN": _plain(torch.isnan), "IsInf": _plain(torch.isinf), "Not": _plain(torch.logical_not),
    "And": _plain(torch.logical_and), "Or": _plain(torch.logical_or), "Xor": _plain(torch.logical_xor),
    "Equal": _plain(torch.eq), "Less": _plain(torch.lt), "Greater": _plain(torch.gt),
    "LessOrEqual": _plain(torch.le), "GreaterOrEqual": _plain(torch.ge), "Where": _plain(torch.where),
    "Max": _many(torch.maximum), "Min": _many(torch.minimum), "Sum": _many(torch.add),
    "Mean": lambda node, *inputs: functools.reduce(torch.add, inputs) / len(inputs),
    "Cast": cast, "CastLike": lambda node, x, like: x.to(like.dtype),
    "Identity": lambda node, x: x, "ZipMap": lambda node, x: x,
    "Dropout": lambda node, x, *rest: (x, torch.ones_like(x, dtype=torch.bool))[: max(node.outputs, 1)],
    "MatMul": _plain(torch.matmul), "Gemm": gemm, "Einsum": einsum, "Attention": attention, "CumSum": cumsum,
    "Scaler": scaler, "LinearClassifier": linear_classifier, "LinearRegressor": linear_regressor,
    "Normalizer": normalizer,
}  # fmt: skip
