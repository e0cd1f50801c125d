"""What a file first does to its pixels: sums and products with constants, read from its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import numpy_helper

SCALING = ("Div", "Mul", "Sub", "Add")
_CARRIED = ("Cast", "Transpose", "Identity", "Reshape", "Unsqueeze", "Squeeze")  # pass numbers on as they are
_STEPS = 8
_MOST = 4  # constants that are one number a channel; a whole picture of them is not read


@dataclass(frozen=True)
class Arithmetic:
    """The file's first sums and products, taken together: `slope * x + shift`.

    Attributes:
        first: the first of them, with its numbers: "Sub 0.5, 0.45, 0.4".
        slope: one number, or one a channel.
        shift: alike.
    """

    first: str
    slope: tuple[float, ...]
    shift: tuple[float, ...]

    @property
    def range(self) -> float | None:
        """255 or 1 where the numbers fit pixels of 0 to 255 or of 0 to 1; None where they fit neither or both.

        They bring what they are given to zero and to a width of about one: the input that becomes
        zero, and the width that becomes one, are of the order of the inputs.
        """
        slope, shift = np.array(self.slope), np.array(self.shift)
        centre, width = -shift / slope, 1 / np.abs(slope)
        if width.max() >= 20 or centre.min() >= 2:
            return 255.0
        plain = not shift.any() and width.min() > 0.99  # times one, plus nothing: that fits all
        if centre.min() >= 0 and centre.max() <= 1.001 and width.max() <= 1.001 and not plain:
            return 1.0
        return None


def first_arithmetic(graph: Any, name: str, folder: Path) -> Arithmetic | None:
    """The arithmetic that an input alone goes through first; None where there is none, or it cannot be read.

    Args:
        graph: of the file.
        name: of the input.
        folder: of the file, where weights may lie.
    """
    tensors = {t.name: t for t in graph.initializer}
    made = {o: n for n in graph.node for o in n.output}
    slope, shift, first = np.ones(1), np.zeros(1), ""
    for _ in range(_STEPS):
        users = [n for n in graph.node if name in n.input]
        if len(users) != 1 or (users[0].op_type not in (*_CARRIED[:3], *SCALING)):
            break
        (node,) = users
        if node.op_type in SCALING:
            at = 0 if node.input[0] == name else 1
            value = _constant(node.input[1 - at], tensors, made, folder)
            step = None if value is None else _step(node.op_type, value, at)
            if value is None or step is None or not _fit(slope, step[0], step[1]):
                break
            slope, shift = slope * step[0], shift * step[0] + step[1]
            first = first or f"{node.op_type} {', '.join(dict.fromkeys(f'{v:.4g}' for v in value))}"
        name = node.output[0]
    if not first or not (np.isfinite(slope).all() and np.isfinite(shift).all() and slope.all()):
        return None
    return Arithmetic(first, tuple(map(float, slope)), tuple(map(float, shift)))


def _step(operator: str, value: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Slope and shift of one operator whose input stands at a place; None where it is no such line."""
    one, none = np.ones_like(value), np.zeros_like(value)
    if operator == "Add":
        return one, value
    if operator == "Sub":
        return (one, -value) if at == 0 else (-one, value)
    if operator == "Mul":
        return value, none
    return (1 / value, none) if at == 0 and value.all() else None


def _fit(*values: np.ndarray) -> bool:
    return len({v.size for v in values} - {1}) <= 1


def _constant(name: str, tensors: Mapping[str, Any], made: Mapping[str, Any], folder: Path) -> np.ndarray | None:
    """The numbers of a constant of the graph, one after the other; None where it is none, or a large one."""
    while name not in tensors and name in made and made[name].op_type in _CARRIED:
        name = made[name].input[0]
    tensor: Any = tensors.get(name)
    if tensor is None:
        if name not in made or made[name].op_type != "Constant":
            return None
        attributes = {a.name: a for a in made[name].attribute}
        if "value_float" in attributes:
            return np.array([attributes["value_float"].f], dtype=np.float64)
        if "value_floats" in attributes:
            return np.array(attributes["value_floats"].floats, dtype=np.float64)
        if "value" not in attributes:
            return None
        tensor = attributes["value"].t
    if int(np.prod(tensor.dims)) not in range(1, _MOST + 1):
        return None
    try:
        return np.asarray(numpy_helper.to_array(tensor, base_dir=str(folder)), dtype=np.float64).reshape(-1)
    except Exception:  # damaged, or of a type that numpy lacks: it counts as not read
        return None
