"""Rules of ONNX operators that move values about: shapes, joins, cuts, padding, resizing."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.backbones.torch_node import Node, Rule, axes_of, whole
from workbench.errors import Unsupported


def reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    """0 keeps a size, -1 takes what is left."""
    sizes = whole(shape)
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if s == 0 else s for i, s in enumerate(sizes)]
    return x.reshape(sizes)


def transpose(node: Node, x: Tensor) -> Tensor:
    """Axes in another order; turned round where none is given."""
    return x.permute(node.get("perm") or list(range(x.dim()))[::-1])


def flatten(node: Node, x: Tensor) -> Tensor:
    """Two axes: those before `axis`, and the rest."""
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without the named axes of size 1, or all of them."""
    found = axes_of(node, axes, 13)
    return x.squeeze(tuple(found)) if found else x.squeeze()


def unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """With new axes of size 1, at their places in the result."""
    found = axes_of(node, axes, 13)
    for axis in sorted(a % (x.dim() + len(found)) for a in found):
        x = x.unsqueeze(axis)
    return x


def concat(node: Node, *inputs: Tensor) -> Tensor:
    """Joined along one axis."""
    return torch.cat(inputs, dim=node.get("axis", 1))


def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Parts of the named sizes, or even ones."""
    axis = node.get("axis", 0)
    parts = whole(sizes if sizes is not None else node.get("split"))
    if not parts:  # even, the last one smaller
        count = node.get("num_outputs") or node.outputs
        each = -(-x.shape[axis] // count)
        parts = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    return torch.split(x, parts, dim=axis)


def cut(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    """Slice: attributes before opset 10, inputs from then on; steps of either sign."""
    if node.opset < 10:
        starts, ends, axes = (whole(node.get(k)) for k in ("starts", "ends", "axes"))
        steps: list[int] = []
    else:
        starts, ends, axes, steps = (whole(v) for v in (*given, *[None] * (4 - len(given))))
    axes = axes or list(range(len(starts)))
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(starts), strict=True):
        size = x.shape[axis]
        if step > 0:
            low, high = (max(0, min(v + size if v < 0 else v, size)) for v in (start, end))
        else:
            low = max(-1, min(start + size if start < 0 else start, size - 1))
            high = max(-1, min(end + size if end < 0 else end, size - 1))
        if step == 1:
            x = x.narrow(axis, low, max(high - low, 0))
        else:
            places = torch.tensor(list(range(low, high, step)), dtype=torch.int64, device=x.device)
            x = x.index_select(axis, places)
    return x


def expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    """Repeated along axes of size 1."""
    sizes = whole(shape)
    rank = max(x.dim(), len(sizes))
    old, new = [1] * (rank - x.dim()) + list(x.shape), [1] * (rank - len(sizes)) + sizes
    return x.expand([max(a, b) if 0 not in (a, b) else 0 for a, b in zip(old, new, strict=True)])


def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    """Repeated along every axis."""
    return x.repeat(whole(repeats))


def shape_of(node: Node, x: Tensor) -> Tensor:
    """The sizes, or some of them."""
    sizes = list(x.shape)[slice(node.get("start", 0), node.get("end"))]
    return torch.tensor(sizes, dtype=torch.int64)


def filled(node: Node, shape: Tensor) -> Tensor:
    """ConstantOfShape."""
    value = node.get("value")
    value = torch.zeros(1) if value is None else value
    return torch.full(whole(shape), value.reshape(-1)[0].item(), dtype=value.dtype)


def counted(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Range."""
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype, device=start.device)


def pad(node: Node, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Any = None) -> Tensor:
    """Pads are (begins, ends) of the axes; a negative one cuts."""
    sizes = whole(node.get("pads") if pads is None else pads)
    chosen = [a % x.dim() for a in whole(axes)] or list(range(x.dim()))
    half, mode = len(sizes) // 2, node.get("mode", "constant")
    fill = node.get("value", 0.0) if value is None else value.item()
    around = {axis: (sizes[i], sizes[i + half]) for i, axis in enumerate(chosen)}
    if mode == "constant":
        flat = [v for axis in reversed(range(x.dim())) for v in around.get(axis, (0, 0))]
        return F.pad(x, flat, value=fill)
    for axis, (before, after) in around.items():
        size = x.shape[axis]
        places = torch.arange(-before, size + after, device=x.device)
        if mode == "edge":
            places = places.clamp(0, size - 1)
        elif mode == "reflect":
            period = max(2 * (size - 1), 1)
            places = places.abs() % period
            places = torch.where(places >= size, period - places, places)
        else:  # wrap
            places = places % size
        x = x.index_select(axis, places)
    return x


def resize(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    """Resize and Upsample: nearest and linear on any axes, in every way of counting pixels; cubic as torch does it."""
    if node.op == "Upsample" or node.opset < 11:
        scales = [float(v) for v in (given[0] if given else torch.tensor(node.get("scales")))]  # type: ignore[union-attr]
        sizes: list[int] = []
        way, rounding = "asymmetric", "floor"
    else:
        some, wanted = (*given, None, None, None)[1:3]  # the first is a region of interest
        scales = [] if some is None or not some.numel() else [float(v) for v in some]
        sizes = whole(wanted)
        way, rounding = (
            node.get("coordinate_transformation_mode", "half_pixel"),
            node.get("nearest_mode", "round_prefer_floor"),
        )
    if (
        node.get("antialias", 0)
        or node.get("keep_aspect_ratio_policy", "stretch") != "stretch"
        or way == "tf_crop_and_resize"
    ):
        raise Unsupported("Resize with antialias, a policy of the aspect ratio or a region of interest")
    axes = [a % x.dim() for a in whole(node.get("axes"))] or list(range(x.dim()))
    mode = node.get("mode", "nearest")
    for i, axis in enumerate(axes):
        old = x.shape[axis]
        new = sizes[i] if sizes else math.floor(old * scales[i])
        scale = new / old if sizes else scales[i]
        if new == old and scale == 1:
            continue
        x = _along(x, axis, _places(old, new, scale, way), mode, rounding, node.get("cubic_coeff_a", -0.75))
    return x


def _places(old: int, new: int, scale: float, way: str) -> Tensor:
    """Where each new pixel lies among the old ones."""
    at = torch.arange(new, dtype=torch.float64)
    if way == "align_corners":
        return at * (old - 1) / (new - 1) if new > 1 else at * 0
    if way == "asymmetric":
        return at / scale
    if way == "pytorch_half_pixel" and new == 1:
        return at * 0
    if way == "half_pixel_symmetric":
        centre = old / 2 * (1 - new / (scale * old))
        return centre + (at + 0.5) / scale - 0.5
    return (at + 0.5) / scale - 0.5


def _along(x: Tensor, axis: int, places: Tensor, mode: str, rounding: str, a: float) -> Tensor:
    old = x.shape[axis]

    def at(index: Tensor) -> Tensor:
        return x.index_select(axis, index.clamp(0, old - 1).to(torch.int64).to(x.device))

    if mode == "nearest":
        near = {"floor": torch.floor, "ceil": torch.ceil, "round_prefer_ceil": lambda p: torch.floor(p + 0.5)}
        return at(near.get(rounding, lambda p: torch.ceil(p - 0.5))(places))
    first = torch.floor(places)
    shape = [1] * x.dim()
    shape[axis] = -1
    share = (places - first).to(x.dtype).to(x.device).reshape(shape)
    if mode == "linear":
        return at(first) * (1 - share) + at(first + 1) * share
    weights = _cubic(share, a)
    return sum((at(first + k - 1) * w for k, w in enumerate(weights)), torch.zeros((), dtype=x.dtype))


def _cubic(t: Tensor, a: float) -> list[Tensor]:
    """Keys' weights of the four neighbours."""

    def near(d: Tensor) -> Tensor:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1

    def far(d: Tensor) -> Tensor:
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def depth_to_space(node: Node, x: Tensor) -> Tensor:
    """Channels laid out as blocks of places."""
    n, c, h, w = x.shape
    b = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """Blocks of places stacked as channels."""
    n, c, h, w = x.shape
    b = node.get("blocksize")
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


SHAPES: dict[str, Rule] = {
    "Reshape": reshape, "Transpose": transpose, "Flatten": flatten, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
    "Concat": concat, "Split": split, "Slice": cut, "Expand": expand, "Tile": tile, "Shape": shape_of,
    "Size": lambda node, x: torch.tensor(x.numel()), "ConstantOfShape": filled, "Range": counted, "Pad": pad,
    "Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
}  # fmt: skip
