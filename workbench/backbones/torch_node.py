"""One operator of an ONNX graph, as the rules in `torch_*.py` see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Node:
    """An operator: its name, the opset that says what it means, its attributes, how many outputs it has."""

    op: str
    opset: int
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)


# (node, inputs; None for one that is left out) to the output, or a tuple of outputs
Rule = Callable[..., Any]


def whole(values: Tensor | Sequence[int] | int | None) -> list[int]:
    """Whole numbers of a tensor or an attribute as a list; empty for None."""
    if values is None:
        return []
    if isinstance(values, Tensor):
        return [int(v) for v in values.reshape(-1).tolist()]
    return [int(v) for v in values] if isinstance(values, Sequence) else [int(values)]


def axes_of(node: Node, given: Tensor | None, since: int) -> list[int]:
    """Axes: an attribute before opset `since`, an input from then on."""
    return whole(node.get("axes")) if node.opset < since or given is None else whole(given)
