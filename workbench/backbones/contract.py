"""What is known of a model file that was made elsewhere: how inputs go in and what its outputs mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTRACT = "contract.json"  # beside the file
SCHEMA = 1

# What the numbers of an output are, and the score that is asked for it.
KINDS = {
    "logits": "scores before softmax; a question asks for the score itself",
    "probabilities": "probabilities that sum to 1; a question asks for the logarithm of one",
    "sigmoid": "a probability for each class by itself; a question asks for its logit (several labels) or logarithm",
    "probability": "one probability, of the second class; a question asks for the logarithm of it or of the rest",
    "logit": "one score before the sigmoid, of the second class; a question asks for half of it, with its sign",
    "value": "the predicted value",
}
FLOOR = 1e-6  # the least probability whose logarithm is taken: a forest gives 0


@dataclass(frozen=True)
class Feed:
    """One input of the file.

    Attributes:
        name: its name in the file.
        dtype: "float32", "float16", "float64", "uint8", "int8", "int32", "int64", "bool" or "str".
        shape: its sizes, None where any is allowed.
        takes: columns of a table that it takes, or the text input ("input_ids", ...) or "pixel_values".
        matrix: whether several columns stand beside each other in it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    takes: tuple[str, ...]
    matrix: bool = False


@dataclass(frozen=True)
class Contract:
    """How a file is asked.

    Attributes:
        feeds: its inputs.
        output: the output that is read.
        outputs: the outputs that are read beside each other, one of each class, where there are several.
        keyed: whether that output is a list of mappings from class to score (a ZipMap).
        kind: a key of `KINDS`.
        keys: the classes in the file's own spelling, in the order of `labels`, where it names them.
        labels: names of the classes in the order of the scores.
        batch: how many examples go in at once where the file fixes that; 0: any number.
        layout: "NCHW" or "NHWC" of a picture.
        channels: "rgb", "bgr" or "grey" of a picture.
        preparation: what the modality's preparation writes as JSON.
        said: how each part came to be known, in sentences.
        sha256: of the file that was given.
        facts: what else a report says of the file: producer, opsets, size, operators.
    """

    feeds: tuple[Feed, ...]
    output: str
    keyed: bool
    kind: str
    labels: tuple[str, ...]
    preparation: Mapping[str, Any]
    outputs: tuple[str, ...] = ()
    keys: tuple[str | int, ...] = ()
    batch: int = 0
    layout: str = ""
    channels: str = ""
    said: tuple[str, ...] = ()
    sha256: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def read(self) -> tuple[str, ...]:
        """Every output that is read."""
        return self.outputs or (self.output,)

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Contract:
        feeds = tuple(
            Feed(f["name"], f["dtype"], tuple(f["shape"]), tuple(f["takes"]), f["matrix"]) for f in value["feeds"]
        )
        known = {f.name for f in dataclasses.fields(cls)} - {"feeds"}
        rest: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k in known}
        return cls(feeds=feeds, **rest)
