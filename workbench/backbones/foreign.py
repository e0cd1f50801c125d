"""A model file from elsewhere as a backbone: inputs brought to its layout, its answers to scores.

What the workbench's own file says of itself in its metadata, a `Contract` beside a foreign one says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.contract import CONTRACT, FLOOR, SCHEMA, Contract, Feed
from workbench.backbones.onnx import PREPARATIONS
from workbench.backbones.onnx_file import check_file
from workbench.backbones.onnx_session import assignment, open_session, ran_on, runtime_reason
from workbench.errors import ArtefactError, StageError
from workbench.modalities.strings import StringPreparation

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's conversion to "L"
_LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}


class ForeignBackbone:
    """A file with a contract: `outputs(batch)` takes what the modality's encoding gives.

    Args:
        path: the ONNX file.
        contract: how it is asked; None reads `contract.json` beside the file.
        device: "cpu", "cuda" or "auto".
    """

    def __init__(self, path: Path, contract: Contract | None = None, *, device: str = "auto") -> None:
        self.path, self.requested = path, device
        self.contents = check_file(path)
        self._session = open_session(path, device)
        self.providers: list[str] = self._session.get_providers()
        self.contract = contract or read_contract(path.with_name(CONTRACT))
        kept = self.contract.preparation
        kind: Any = StringPreparation if kept.get("strings") else PREPARATIONS[kept["modality"]]
        self.own: Any = kind.from_json(kept)

    @property
    def metadata(self) -> dict[str, Any]:
        """What a file of the workbench's own carries in itself."""
        facts = self.contract.facts
        return {
            "labels": list(self.contract.labels),
            "target": facts.get("target", ""),
            "unit": facts.get("unit", ""),
            "thresholds": facts.get("thresholds"),
            "preparation": dict(self.contract.preparation),
        }

    @property
    def preparation(self) -> Any:
        return self.own

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch: (n, K) float32."""
        rows = self.answers(batch)
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise StageError(
                f"{self.path.name} gives values that are not finite, first for row {row} of a batch of {len(rows)}",
                hint="look for missing or extreme values in the data: leave those rows out, or export the model with "
                "the step that fills them",
            )
        return scores_of(rows, self.contract)

    def answers(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output that is read, as it comes: (n, K) float64."""
        parts = self._asked(batch, self.contract.read)
        return np.concatenate(
            [np.concatenate([rows_of(o, self.contract) for o in found], axis=1)[:real] for found, real in parts]
        )

    def labels(self, batch: Mapping[str, np.ndarray], output: str) -> list[Any]:
        """What an output of labels gives, one for each example."""
        return [v for (found,), real in self._asked(batch, (output,)) for v in np.asarray(found).reshape(-1)[:real]]

    def _asked(self, batch: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> Iterator[tuple[list[Any], int]]:
        """Outputs piece by piece where the file takes a fixed batch, each with how many of its rows are real."""
        feeds = {feed.name: fed(feed, batch, self.contract, self.own) for feed in self.contract.feeds}
        n = len(next(iter(feeds.values())))
        step = self.contract.batch or n
        for start in range(0, n, step):
            part = {name: array[start : start + step] for name, array in feeds.items()}
            real = len(next(iter(part.values())))
            if real < step:  # a fixed batch is filled up with its last row
                part = {k: np.concatenate([v, np.repeat(v[-1:], step - real, axis=0)]) for k, v in part.items()}
            yield self._ask(part, outputs), real

    def _ask(self, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> list[Any]:
        try:
            found: list[Any] = self._session.run(list(outputs), dict(feeds))
        except Exception as e:  # the runtime's errors share no base class
            shapes = {k: list(v.shape) for k, v in feeds.items()}
            raise StageError(f"ONNX Runtime could not run {self.path.name} on {shapes}: {runtime_reason(e)}") from e
        if self._session.get_providers() != self.providers:
            raise StageError(
                f"ONNX Runtime went over from {self.providers[0]} to {self._session.get_providers()[0]} meanwhile",
                hint="look for what the GPU lacks with `workbench doctor`, or use --device cpu",
            )
        return found

    def describe(self) -> dict[str, Any]:
        """Content of providers.json: what was asked, what ran each node, and that it stayed so."""
        proof = assignment(self._session)
        used, text = self._session.get_providers(), ran_on(self._session, self.requested, proof)
        fallback = "switched off; the providers are looked at after every batch"
        return {"requested": self.requested, "used": used, "text": text, "tf32": False, "fallback": fallback, **proof}


def read_contract(path: Path) -> Contract:
    """The contract that a run keeps beside its file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] > SCHEMA:
            raise ArtefactError(f"{path} has schema {value['schema']}", hint="update workbench")
        return Contract.from_json(value)
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing", hint="run `workbench audit` again") from None
    except (json.JSONDecodeError, KeyError, TypeError) as e:
        raise ArtefactError(f"{path} is damaged: {e}", hint="delete it and run `workbench audit` again") from None


def rows_of(found: Any, contract: Contract) -> np.ndarray:
    """An output of the runtime, an array or a list of mappings, as (n, K) float64.

    Raises:
        StageError: it has another shape, or a mapping lacks a class.
    """
    if contract.keyed:
        try:
            return np.array([[row[key] for key in contract.keys] for row in found], dtype=np.float64)
        except KeyError as e:
            raise StageError(f"output {contract.output!r} lacks the class {e}") from None
    array = np.asarray(found, dtype=np.float64)
    return array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)


def scores_of(rows: np.ndarray, contract: Contract) -> np.ndarray:
    """(n, K) outputs as scores whose softmax, or sigmoid for several labels, is the file's answer: float32."""
    kind = contract.kind
    if kind == "probability":
        p = rows[:, :1]
        rows = np.concatenate([1 - p, p], axis=1)
    if kind == "logit":
        rows = np.concatenate([-rows[:, :1] / 2, rows[:, :1] / 2], axis=1)
    elif kind == "sigmoid" and contract.facts.get("several"):
        p = np.clip(rows, FLOOR, 1 - FLOOR)
        rows = np.log(p) - np.log1p(-p)
    elif kind in ("probabilities", "sigmoid", "probability"):
        rows = np.log(np.maximum(rows, FLOOR))
    return rows.astype(np.float32)


def fed(feed: Feed, batch: Mapping[str, np.ndarray], contract: Contract, preparation: Any) -> np.ndarray:
    """One input of the file from what the modality's encoding gives, in the file's type and layout."""
    if preparation.modality == "image":
        array = pixels(batch["pixel_values"], contract)
    elif preparation.modality == "text":
        array = tokens(batch, feed, preparation)
    else:
        array = columns(batch, feed, preparation)
    if feed.dtype == "str":
        return array
    if feed.dtype in _LIMITS:
        low, high = _LIMITS[feed.dtype]
        array = np.clip(np.rint(array), low, high)
    elif feed.dtype in ("int32", "int64", "bool") and array.dtype.kind == "f":  # of values that a method made up
        array = np.rint(array)
    return np.ascontiguousarray(array, dtype=feed.dtype)


def pixels(values: np.ndarray, contract: Contract) -> np.ndarray:
    """(n, 3, H, W) prepared pixels in the file's channels and layout."""
    if contract.channels == "grey":
        values = np.einsum("nchw,c->nhw", values, np.array(LUMA, dtype=values.dtype))[:, None]
    elif contract.channels == "bgr":
        values = values[:, ::-1]
    if contract.layout == "NHWC":
        return values.transpose(0, 2, 3, 1)
    return values[:, 0] if contract.layout == "NHW" else values


def tokens(batch: Mapping[str, np.ndarray], feed: Feed, preparation: Any) -> np.ndarray:
    """One input of tokens, filled up where the file takes one length only; or the texts themselves."""
    name = feed.takes[0]
    if name == "text":
        texts = [preparation.text(row) for row in batch["input_ids"]]
        array = np.array(texts, dtype=object)
        return array[:, None] if len(feed.shape) == 2 else array
    array = batch[name]
    width = feed.shape[1] if len(feed.shape) > 1 else None
    if width is not None and array.shape[1] < width:
        rest = np.full((len(array), width - array.shape[1]), preparation.pad_id if name == "input_ids" else 0)
        array = np.concatenate([array, rest], axis=1)
    return array


def columns(batch: Mapping[str, np.ndarray], feed: Feed, preparation: Any) -> np.ndarray:
    """The columns of a table that an input takes, (n, columns), or (n,) where it has no second axis."""
    place = {c.name: i for i, c in enumerate(preparation.columns)}
    parts: list[np.ndarray] = []
    for name in feed.takes:
        i = place[name]
        if preparation.columns[i].kind == "numeric":
            parts.append(batch["numeric"][:, preparation.numeric.index(i)])
        else:
            names = np.array(["", *preparation.columns[i].categories], dtype=object)  # code 0: missing or unseen
            parts.append(names[batch["categorical"][:, preparation.categorical.index(i)]])
    if feed.matrix or len(feed.shape) != 1:
        return np.stack(parts, axis=1)
    return parts[0]
