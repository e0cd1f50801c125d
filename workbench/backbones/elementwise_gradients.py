"""Gradients of ONNX operators that work entry by entry, and of those that only move entries.

A rule takes the tape, a node and the gradients of its outputs, and gives those of its inputs:
None for one that nothing asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from workbench.backbones.tape import Tape, attribute
from workbench.errors import Unsupported

Rule = Callable[[Tape, onnx.NodeProto, Sequence[str]], list[str | None]]


# -- one input ---------------------------------------------------------------------------


def _unary(slope: Callable[[Tape, onnx.NodeProto, str, str], str]) -> Rule:
    """A rule from the slope of a function of one variable, given (tape, node, x, y)."""

    def rule(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
        found: list[str | None] = [t.op("Mul", g[0], slope(t, node, node.input[0], node.output[0]))]
        return found + [None] * (len(node.input) - 1)

    return rule


def _step(t: Tape, condition: str) -> str:
    return t.op("Cast", condition, to=onnx.TensorProto.FLOAT)


def _relu(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return _step(t, t.op("Greater", y, t.constant(0)))


def _leaky(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    low = t.constant(attribute(node, "alpha", 0.01))
    return t.op("Where", t.op("Greater", x, t.constant(0)), t.constant(1), low)


def _elu(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    low = t.op("Add", y, t.constant(attribute(node, "alpha", 1.0)))
    return t.op("Where", t.op("Greater", x, t.constant(0)), t.constant(1), low)


def _sigmoid(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return t.op("Mul", y, t.op("Sub", t.constant(1), y))


def _tanh(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return t.op("Sub", t.constant(1), t.op("Mul", y, y))


def _gelu(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    square = t.op("Mul", x, x)
    if attribute(node, "approximate", "none") == "tanh":
        c, cubic = math.sqrt(2 / math.pi), 0.044715
        inner = t.op("Mul", t.op("Mul", x, t.constant(c)), _affine(t, square, cubic, 1))
        tanh = t.op("Tanh", inner)
        rise = t.op("Mul", _affine(t, square, 3 * cubic * c, c), t.op("Sub", t.constant(1), t.op("Mul", tanh, tanh)))
        return t.op("Add", _affine(t, tanh, 0.5, 0.5), t.op("Mul", t.op("Mul", x, t.constant(0.5)), rise))
    below = _affine(t, t.op("Erf", t.op("Mul", x, t.constant(math.sqrt(0.5)))), 0.5, 0.5)
    density = t.op("Mul", t.op("Exp", t.op("Mul", square, t.constant(-0.5))), t.constant(1 / math.sqrt(2 * math.pi)))
    return t.op("Add", below, t.op("Mul", x, density))


def _affine(t: Tape, x: str, factor: float, shift: float) -> str:
    return t.op("Add", t.op("Mul", x, t.constant(factor)), t.constant(shift))


def _hard_sigmoid(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    inside = t.op("And", t.op("Greater", y, t.constant(0)), t.op("Less", y, t.constant(1)))
    return t.op("Mul", _step(t, inside), t.constant(attribute(node, "alpha", 0.2)))


def _hard_swish(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    rising = _affine(t, x, 1 / 3, 0.5)
    low, high = t.op("Greater", x, t.constant(-3)), t.op("Less", x, t.constant(3))
    return t.op("Where", low, t.op("Where", high, rising, t.constant(1)), t.constant(0))


def _erf(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return t.op("Mul", t.op("Exp", t.op("Neg", t.op("Mul", x, x))), t.constant(2 / math.sqrt(math.pi)))


def _sqrt(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return t.op("Div", t.constant(0.5), y)


def _reciprocal(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return t.op("Neg", t.op("Mul", y, y))


def _softplus(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    return t.op("Sigmoid", x)


def _swish(t: Tape, node: onnx.NodeProto, x: str, y: str) -> str:
    alpha = attribute(node, "alpha", 1.0)
    s = t.op("Sigmoid", t.op("Mul", x, t.constant(alpha)))
    return t.op("Add", s, t.op("Mul", t.op("Mul", y, t.constant(alpha)), t.op("Sub", t.constant(1), s)))


def _clip(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, slope = node.input[0], g[0]
    for place, kind in ((1, "GreaterOrEqual"), (2, "LessOrEqual")):
        if len(node.input) > place and node.input[place]:
            slope = t.op("Mul", slope, _step(t, t.op(kind, x, node.input[place])))
    return [slope, *[None] * (len(node.input) - 1)]


# -- two inputs --------------------------------------------------------------------------


def _binary(slopes: Callable[[Tape, str, str, str], tuple[Any, Any]]) -> Rule:
    """A rule from two functions: the gradient `g` to that of each input, before summing what was repeated."""

    def rule(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
        (a, b), y = node.input, node.output[0]
        return [
            t.summed(slope(g[0]), name, y) if name in t.wanted else None
            for name, slope in zip((a, b), slopes(t, a, b, y), strict=True)
        ]

    return rule


_add = _binary(lambda t, a, b, y: (lambda g: g, lambda g: g))
_sub = _binary(lambda t, a, b, y: (lambda g: g, lambda g: t.op("Neg", g)))
_mul = _binary(lambda t, a, b, y: (lambda g: t.op("Mul", g, b), lambda g: t.op("Mul", g, a)))
_div = _binary(
    lambda t, a, b, y: (
        lambda g: t.op("Div", g, b),
        lambda g: t.op("Neg", t.op("Div", t.op("Mul", g, y), b)),
    )
)


def _power(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, exponent = node.input
    if exponent in t.wanted:
        raise Unsupported("Pow with an exponent that is computed from the input", hint="explain it with torch")
    power = t.known(exponent).astype(np.float32)
    slope = t.op("Mul", t.op("Pow", x, t.constant(power - 1)), t.constant(power))
    return [t.summed(t.op("Mul", g[0], slope), x, node.output[0]), None]


def _where(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    condition, a, b = node.input
    nothing = t.constant(0)
    return [
        None,
        t.summed(t.op("Where", condition, g[0], nothing), a, node.output[0]) if a in t.wanted else None,
        t.summed(t.op("Where", condition, nothing, g[0]), b, node.output[0]) if b in t.wanted else None,
    ]


def _sum(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    return [t.summed(g[0], name, node.output[0]) if name in t.wanted else None for name in node.input]


def _extreme(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    """Max and Min of several: to those that reach it, in even shares where several do, as torch's."""
    y = node.output[0]
    reached = [_step(t, t.op("Equal", name, y)) for name in node.input]
    count = reached[0] if len(reached) == 1 else t.op("Sum", *reached)
    share = t.op("Div", g[0], count)
    return [
        t.summed(t.op("Mul", share, mine), name, y) if name in t.wanted else None
        for name, mine in zip(node.input, reached, strict=True)
    ]


def _same(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    return [g[0], *[None] * (len(node.input) - 1)]


def _cast(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    if attribute(node, "to") != onnx.TensorProto.FLOAT:
        raise Unsupported("Cast to another type than float32", hint="explain it with torch")
    return [g[0]]


ELEMENTWISE: dict[str, Rule] = {
    "Relu": _unary(_relu),
    "LeakyRelu": _unary(_leaky),
    "Elu": _unary(_elu),
    "Sigmoid": _unary(_sigmoid),
    "Tanh": _unary(_tanh),
    "Gelu": _unary(_gelu),
    "HardSigmoid": _unary(_hard_sigmoid),
    "HardSwish": _unary(_hard_swish),
    "Softplus": _unary(_softplus),
    "Swish": _unary(_swish),
    "Erf": _unary(_erf),
    "Exp": _unary(lambda t, node, x, y: y),
    "Log": _unary(lambda t, node, x, y: t.op("Reciprocal", x)),
    "Sqrt": _unary(_sqrt),
    "Reciprocal": _unary(_reciprocal),
    "Abs": _unary(lambda t, node, x, y: t.op("Sign", x)),
    "Neg": _unary(lambda t, node, x, y: t.constant(-1)),
    "Sin": _unary(lambda t, node, x, y: t.op("Cos", x)),
    "Cos": _unary(lambda t, node, x, y: t.op("Neg", t.op("Sin", x))),
    "Clip": _clip,
    "Add": _add,
    "Sub": _sub,
    "Mul": _mul,
    "Div": _div,
    "Pow": _power,
    "Where": _where,
    "Sum": _sum,
    "Max": _extreme,
    "Min": _extreme,
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
}
