"""The structure of an ONNX file, field by field: graphs, operators, weights' places, metadata.

Numbers of fields are those of onnx.proto. Weights are not read. The package `onnx` is not needed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.backbones.protobuf import Reader, View, numbers, text, varints
from workbench.backbones.protobuf import number as whole
from workbench.errors import ArtefactError

MOST_METADATA = 64_000_000  # bytes; the largest tokenizers take about half of it
MOST_NUMBERS = 2**63  # of one weight

# Unpacked numbers of an AttributeProto (floats, ints) and of a TensorProto (float, int32, int64, double).
_IN_ATTRIBUTE = numbers(fixed32=(7,), varint=(8,))
_IN_TENSOR = numbers(fixed32=(4,), fixed64=(10,), varint=(5, 7))

# elem_type of a tensor, as onnx.proto numbers them
ELEMENTS = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}


@dataclass(frozen=True)
class Value:
    """An input or output of the graph.

    Attributes:
        name: as the graph calls it.
        type: element type ("float32", "int64", ...), or "sequence" and "map" where it is no tensor.
        shape: a size, the name of a free size, or "" for one that is not said; None: no shape at all.
    """

    name: str
    type: str
    shape: tuple[int | str, ...] | None


@dataclass
class OnnxFile:
    """What a checked ONNX file holds.

    Attributes:
        path: the file.
        bytes: of the file and its external data together.
        ir_version: of the format.
        producer: the exporter's name and version.
        opsets: version by domain; "" is ONNX's own.
        inputs: of the graph, those with a default (initializers) left out.
        outputs: of the graph.
        operators: how many nodes there are by (domain, type), subgraphs and functions included.
        parameters: numbers in the initializers.
        external: files beside this one that hold weights.
        metadata: the file's own key-value pairs.
    """

    path: Path
    bytes: int = 0
    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    operators: dict[tuple[str, str], int] = field(default_factory=dict)
    parameters: int = 0
    external: tuple[Path, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators; 0 where the graph uses none."""
        return self.opsets.get("", self.opsets.get("ai.onnx", 0))

    def entry(self, key: str) -> Any:
        """A metadata entry parsed as JSON; None where there is none.

        Raises:
            ArtefactError: the entry is no JSON.
        """
        if key not in self.metadata:
            return None
        try:
            return json.loads(self.metadata[key])
        except (ValueError, RecursionError):
            raise ArtefactError(
                f"{self.path}: the metadata {key!r} are not readable JSON", hint="export the model again"
            ) from None


@dataclass(frozen=True)
class Structure:
    """What the check needs besides `OnnxFile`.

    Attributes:
        external: of each tensor whose data lie elsewhere, its name and the entries that say where.
        functions: (domain, name) of the functions that the model brings.
    """

    external: tuple[dict[str, str], ...]
    functions: frozenset[tuple[str, str]]


def read_structure(path: Path, view: View) -> tuple[OnnxFile, Structure]:
    """What the bytes of a model hold; `bytes` and `external` are left to the caller.

    Raises:
        ValueError: the bytes are no protobuf message of this form.
        ArtefactError: oversized metadata.
    """
    reading = _Reading(path, Reader())
    return reading.model(view), Structure(tuple(reading.tensors), frozenset(reading.functions))


class _Reading:
    """One reading of a file: what is gathered on the way down."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path, self.reader = path, reader
        self.tensors: list[dict[str, str]] = []  # external data of each tensor that has it
        self.operators: dict[tuple[str, str], int] = {}
        self.functions: set[tuple[str, str]] = set()

    def model(self, view: View) -> OnnxFile:
        found = OnnxFile(self.path)
        names: set[str] = set()
        producer, version, weight = "", "", 0
        inputs: list[Value] = []
        outputs: list[Value] = []
        for number, value in self.reader.fields(view):
            if number == 1 and isinstance(value, int):
                found.ir_version = value
            elif number == 2:
                producer = text(value)
            elif number == 3:
                version = text(value)
            elif number == 7:
                more = self._graph(value, inputs, outputs, names)
                found.parameters += more
            elif number == 8:
                domain, opset = self._opset(value)
                found.opsets[domain] = opset
            elif number == 14:
                weight += 0 if isinstance(value, int) else len(value)
                if weight > MOST_METADATA:
                    raise ArtefactError(
                        f"{self.path} has over {MOST_METADATA / 1e6:.0f} MB of metadata", hint="export the model again"
                    )
                pair = {n: text(v) for n, v in self.reader.fields(value)}
                found.metadata[pair.get(1, "")] = pair.get(2, "")
            elif number == 25:
                self._function(value)
        found.producer = f"{producer} {version}".strip()
        found.inputs = tuple(v for v in inputs if v.name not in names)
        found.outputs = tuple(outputs)
        found.operators = self.operators
        return found

    def _opset(self, view: View) -> tuple[str, int]:
        entry = dict(self.reader.fields(view))
        return text(entry.get(1, b"")), whole(entry.get(2, 0))

    def _graph(self, view: View, inputs: list[Value], outputs: list[Value], names: set[str]) -> int:
        count = 0
        for number, value in self.reader.fields(view):
            if number == 1:
                self._node(value)
            elif number == 5:
                name, size = self._tensor(value)
                names.add(name)
                count += size
            elif number == 11:
                inputs.append(self._value(value))
            elif number == 12:
                outputs.append(self._value(value))
            elif number == 15:  # a sparse tensor: its values and its indices
                count += sum(self._tensor(v)[1] for n, v in self.reader.fields(value) if n == 1)
                for n, v in self.reader.fields(value):
                    if n == 2:
                        self._tensor(v)
        return count

    def _node(self, view: View) -> None:
        kind = domain = ""
        for number, value in self.reader.fields(view):
            if number == 4:
                kind = text(value)
            elif number == 7:
                domain = text(value)
            elif number == 5:
                self._attribute(value)
        key = ("" if domain == "ai.onnx" else domain, kind)
        self.operators[key] = self.operators.get(key, 0) + 1

    def _attribute(self, view: View) -> None:
        for number, value in self.reader.fields(view, _IN_ATTRIBUTE):
            if number in (5, 10):
                self._tensor(value)
            elif number in (6, 11):
                with self.reader.deeper():
                    self._graph(value, [], [], set())
            elif number in (22, 23):
                for n, v in self.reader.fields(value):
                    if n in (1, 2):
                        self._tensor(v)

    def _function(self, view: View) -> None:
        name = domain = ""
        for number, value in self.reader.fields(view):
            if number == 1:
                name = text(value)
            elif number == 10:
                domain = text(value)
            elif number == 7:
                self._node(value)
            elif number == 11:
                self._attribute(value)
        self.functions.add((domain, name))

    def _tensor(self, view: View) -> tuple[str, int]:
        """Name and count of numbers; where the data lies elsewhere, that is noted."""
        name, size, external = "", 1, {}
        for number, value in self.reader.fields(view, _IN_TENSOR):
            if number == 1:
                for dim in varints(value):
                    size *= dim
                    if size > MOST_NUMBERS:
                        raise ValueError("a weight in it claims more numbers than there is memory")
            elif number == 8:
                name = text(value)
            elif number == 13:
                pair = {n: text(v) for n, v in self.reader.fields(value)}
                external[pair.get(1, "")] = pair.get(2, "")
        if external:
            self.tensors.append({"name": name, **external})
        return name, size

    def _value(self, view: View) -> Value:
        name, kind, shape = "", "", None
        for number, value in self.reader.fields(view):
            if number == 1:
                name = text(value)
            elif number == 2:
                kind, shape = self._type(value)
        return Value(name, kind, shape)

    def _type(self, view: View) -> tuple[str, tuple[int | str, ...] | None]:
        kind, shape = "unknown", None
        for number, value in self.reader.fields(view):
            if number == 1:
                for n, v in self.reader.fields(value):
                    if n == 1:
                        kind = ELEMENTS.get(v if isinstance(v, int) else 0, "unknown")
                    elif n == 2:
                        shape = tuple(self._dim(d) for m, d in self.reader.fields(v) if m == 1)
            elif number in (4, 5, 8, 9):
                kind = {4: "sequence", 5: "map", 8: "sparse tensor", 9: "optional"}[number]
        return kind, shape

    def _dim(self, view: View) -> int | str:
        entry = dict(self.reader.fields(view))
        return whole(entry[1]) if 1 in entry else text(entry.get(2, b""))
