"""Rules of ONNX operators that reduce axes to one number."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.backbones.torch_node import Node, Rule, axes_of

Find = Callable[[Tensor, list[int], bool], Tensor]


def _prod(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _reducing(find: Find, since: int) -> Rule:
    """Axes are an attribute before opset `since`, an input from then on; none given means all of them."""

    def rule(node: Node, x: Tensor, given: Tensor | None = None) -> Tensor:
        axes = axes_of(node, given, since)
        if not axes:
            if node.get("noop_with_empty_axes", 0):
                return x
            axes = list(range(x.dim()))
        return find(x, [a % max(x.dim(), 1) for a in axes], bool(node.get("keepdims", 1)))

    return rule


def _whole(find: Find) -> Find:
    """Whole numbers stay whole."""
    return lambda x, axes, keep: find(x, axes, keep).to(x.dtype)


REDUCTIONS: dict[str, Rule] = {
    "ReduceSum": _reducing(_whole(lambda x, a, k: x.sum(a, keepdim=k)), 13),
    "ReduceMean": _reducing(lambda x, a, k: x.mean(a, keepdim=k), 18),
    "ReduceMax": _reducing(lambda x, a, k: x.amax(a, keepdim=k), 18),
    "ReduceMin": _reducing(lambda x, a, k: x.amin(a, keepdim=k), 18),
    "ReduceProd": _reducing(_whole(_prod), 18),
    "ReduceL1": _reducing(lambda x, a, k: x.abs().sum(a, keepdim=k), 18),
    "ReduceL2": _reducing(lambda x, a, k: x.square().sum(a, keepdim=k).sqrt(), 18),
    "ReduceSumSquare": _reducing(lambda x, a, k: x.square().sum(a, keepdim=k), 18),
    "ReduceLogSum": _reducing(lambda x, a, k: x.sum(a, keepdim=k).log(), 18),
    "ReduceLogSumExp": _reducing(lambda x, a, k: torch.logsumexp(x, a, keepdim=k), 18),
}
