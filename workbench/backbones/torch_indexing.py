"""Rules of ONNX operators that pick values by place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.backbones.torch_node import Node, Rule, whole
from workbench.errors import Unsupported


def gather(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """Slices of one axis by place; negative places count from the end."""
    axis = node.get("axis", 0) % x.dim()
    places = places.to(torch.int64)
    places = torch.where(places < 0, places + x.shape[axis], places)
    picked = x.index_select(axis, places.reshape(-1))
    return picked.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])


def gather_elements(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """One value for each place, along one axis."""
    axis = node.get("axis", 0)
    return torch.gather(x, axis, torch.where(places < 0, places + x.shape[axis], places))


def gather_nd(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """Values or slices by their places on the first axes."""
    batch = node.get("batch_dims", 0)
    if batch:
        raise Unsupported("GatherND with batch_dims")
    return x[tuple(places[..., i] for i in range(places.shape[-1]))]


def scatter_elements(node: Node, x: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """A copy with values put at places along one axis."""
    if node.get("reduction", "none") != "none":
        raise Unsupported(f"ScatterElements with reduction {node.get('reduction')}")
    axis = node.get("axis", 0)
    return x.scatter(axis, torch.where(places < 0, places + x.shape[axis], places), values)


def scatter_nd(node: Node, x: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """A copy with values or slices put at their places."""
    if node.get("reduction", "none") != "none":
        raise Unsupported(f"ScatterND with reduction {node.get('reduction')}")
    return x.index_put(tuple(places[..., i] for i in range(places.shape[-1])), values)


def one_hot(node: Node, places: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """`values[1]` at the given place of a new axis, `values[0]` elsewhere."""
    axis, size = node.get("axis", -1), int(depth.reshape(-1)[0])
    places = places.to(torch.int64)
    hot = F.one_hot(places % size, size).to(torch.bool)
    found = torch.where(hot, values[1], values[0])
    return found if axis in (-1, places.dim()) else found.movedim(-1, axis)


def triangle(node: Node, x: Tensor, k: Tensor | None = None) -> Tensor:
    """Trilu: the upper or lower triangle, the rest 0."""
    diagonal = 0 if k is None else int(k)
    return torch.triu(x, diagonal) if node.get("upper", 1) else torch.tril(x, diagonal)


def top_k(node: Node, x: Tensor, k: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The k largest or smallest values and their places."""
    count = whole(k)[0] if k is not None else node.get("k")
    largest, ordered = bool(node.get("largest", 1)), bool(node.get("sorted", 1))
    values, places = torch.topk(x, count, dim=node.get("axis", -1), largest=largest, sorted=ordered)
    return values, places


def _arg(node: Node, x: Tensor, largest: bool) -> Tensor:
    axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
    if node.get("select_last_index", 0):
        last = x.shape[axis] - 1
        flipped = x.flip(axis)
        return last - (flipped.argmax(axis, keep) if largest else flipped.argmin(axis, keep))
    return x.argmax(axis, keep) if largest else x.argmin(axis, keep)


INDEXING: dict[str, Rule] = {
    "Gather": gather, "GatherElements": gather_elements, "GatherND": gather_nd, "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd, "OneHot": one_hot, "Trilu": triangle, "TopK": top_k,
    "ArgMax": lambda node, x: _arg(node, x, True), "ArgMin": lambda node, x: _arg(node, x, False),
    "NonZero": lambda node, x: torch.nonzero(x).T,
}  # fmt: skip
