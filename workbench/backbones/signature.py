"""What an ONNX file says of itself: inputs, outputs, the names of its classes, how it was made."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from workbench.backbones.first_arithmetic import Arithmetic, first_arithmetic
from workbench.errors import ArtefactError

# ONNX Runtime's names of element types, as numpy calls them.
DTYPES = {
    "float": "float32",
    "float16": "float16",
    "double": "float64",
    "uint8": "uint8",
    "int8": "int8",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
    "string": "str",
}
_CLASSES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_LABEL_KEYS = ("labels", "classes", "class_names", "names", "id2label", "categories")
_NO_SCORES = ("label", "output_label", "class")


@dataclass(frozen=True)
class Port:
    """An input or output of a file: its type as numpy calls it ("map" for a ZipMap's) and its sizes, None if free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """What a file says of itself.

    Attributes:
        inputs: what it asks for, without its weights.
        outputs: what it gives.
        classes: its classes in its own spelling, in the order of its scores; empty where it does not say.
        classes_from: where they were found, in words.
        metadata: the file's own key to value.
        first: operators that the inputs go through first, by input.
        last: the operator that gives each output.
        facts: producer, opsets, number of operators and of parameters.
        arithmetic: the sums and products with constants that inputs go through first, where they do.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    classes: tuple[str | int, ...]
    classes_from: str
    metadata: dict[str, str]
    first: dict[str, tuple[str, ...]]
    last: dict[str, str]
    facts: dict[str, Any]
    arithmetic: dict[str, Arithmetic] = field(default_factory=dict)


def read_signature(path: Path, session: Any) -> Signature:
    """Read a file that the runtime could load.

    Args:
        path: the file.
        session: the runtime's session on it.

    Raises:
        ArtefactError: an input or output is of a type that no task here takes.
    """
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    inputs = tuple(_port(i, "input", path) for i in session.get_inputs())
    outputs = tuple(_port(o, "output", path) for o in session.get_outputs())
    metadata = {p.key: p.value for p in model.metadata_props}
    classes, origin = _classes(graph, metadata)
    weights = sum(int(np.prod(t.dims)) for t in graph.initializer)
    operators: dict[str, int] = {}
    for node in _nodes(graph):
        name = f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        operators[name] = operators.get(name, 0) + 1
    facts = {
        "producer": " ".join(p for p in (model.producer_name, model.producer_version) if p),
        "opsets": {o.domain or "ai.onnx": o.version for o in model.opset_import},
        "ir_version": model.ir_version,
        "parameters": weights,
        "operators": dict(sorted(operators.items(), key=lambda kv: (-kv[1], kv[0]))),
        "bytes": path.stat().st_size,
    }
    first = {i.name: _path(graph, i.name) for i in inputs}
    made_by = {name: node for node in graph.node for name in node.output}
    last = {o.name: _maker(made_by, o.name) for o in outputs}
    found = {i.name: first_arithmetic(graph, i.name, path.parent) for i in inputs}
    arithmetic = {name: one for name, one in found.items() if one is not None}
    return Signature(inputs, outputs, classes, origin, metadata, first, last, facts, arithmetic)


def _port(value: Any, what: str, path: Path) -> Port:
    kind = str(value.type)
    if kind.startswith("seq(map("):
        return Port(value.name, "map", (None,))
    element = kind.removeprefix("tensor(").removesuffix(")")
    if element not in DTYPES:
        raise ArtefactError(
            f"{path}: {what} {value.name!r} is of type {kind}",
            hint=f"types that can be audited: {', '.join(f'tensor({t})' for t in DTYPES)}",
        )
    shape = tuple(d if isinstance(d, int) and d > 0 else None for d in value.shape or ())
    return Port(value.name, DTYPES[element], shape)


def _nodes(graph: Any) -> Iterator[Any]:
    """Every operator, those of branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _own_classes(text: str) -> tuple[str | int, ...]:
    """The labels in the metadata of a file of the workbench's own."""
    try:
        found = json.loads(text)["labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(found) if isinstance(found, list) and all(isinstance(v, str) for v in found) else ()


def _classes(graph: Any, metadata: dict[str, str]) -> tuple[tuple[str | int, ...], str]:
    if own := _own_classes(metadata.get("workbench", "")):
        return own, "the file's own metadata"
    for key, text in metadata.items():
        if key.lower() in _LABEL_KEYS and (found := _listed(text)):
            return found, f"the file's metadata ({key})"
    for zipped in (True, False):
        for node in reversed(graph.node):
            if zipped != (node.op_type == "ZipMap"):
                continue
            for attribute in node.attribute:
                if attribute.name in _CLASSES:
                    strings = [s.decode(errors="replace") for s in attribute.strings]
                    if strings or len(attribute.ints):
                        return tuple(strings or [int(i) for i in attribute.ints]), f"its operator {node.op_type}"
    return _looked_up(graph)


def _looked_up(graph: Any) -> tuple[tuple[str | int, ...], str]:
    """Classes of a table from which the last operators pick the label (scikit-learn's networks)."""
    known = {t.name: t for t in graph.initializer}
    outputs = {o.name for o in graph.output if o.name in _NO_SCORES or "label" in o.name.lower()}
    if not outputs:
        return (), ""
    for node in reversed(graph.node):
        if node.op_type in ("ArrayFeatureExtractor", "Gather") and node.input[0] in known:
            table = numpy_helper.to_array(known[node.input[0]]).reshape(-1)
            if table.dtype.kind in "iuSUO" and 2 <= len(table) <= 10_000 and len(set(table.tolist())) == len(table):
                names = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in table.tolist()]
                return tuple(names), f"its operator {node.op_type}"
    return (), ""


def _listed(text: str) -> tuple[str | int, ...]:
    """Names written as JSON, as a Python literal or between commas or lines; empty where there are none."""
    value: Any = None
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
            break
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: int(k) if str(k).isdigit() else 0)
        if all(str(k).isdigit() for k in keys):
            return tuple(str(value[k]) for k in keys)
        if all(isinstance(v, int) for v in value.values()):
            return tuple(str(k) for k in sorted(value, key=lambda k: value[k]))
        return ()
    if isinstance(value, list | tuple) and all(isinstance(v, str | int) for v in value):
        return tuple(value)
    if value is None and ("," in text or "\n" in text):
        return tuple(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())
    return ()


def _path(graph: Any, name: str, steps: int = 4) -> tuple[str, ...]:
    """The first operators that an input alone goes through."""
    found: list[str] = []
    for _ in range(steps):
        users = [n for n in graph.node if name in n.input]
        if len(users) != 1:
            break
        found.append(users[0].op_type)
        name = users[0].output[0]
    return tuple(found)


def _maker(made_by: dict[str, Any], name: str) -> str:
    """The operator that gives a tensor, seen through those that only reshape it."""
    while name in made_by:
        node = made_by[name]
        if node.op_type not in ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "ZipMap"):
            after = next((a.s.decode(errors="replace") for a in node.attribute if a.name == "post_transform"), "NONE")
            regressor = node.op_type.endswith("Regressor") and after != "NONE"
            return f"{node.op_type} with {after}" if regressor else str(node.op_type)
        name = node.input[0]
    return ""
