"""An ONNX file in ONNX Runtime as a backbone; needs neither torch nor transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.onnx_file import check_file
from workbench.backbones.onnx_session import assignment, open_session, ran_on, runtime_reason
from workbench.errors import ArtefactError, StageError
from workbench.modalities import image, table, text

METADATA = "workbench"  # key of the JSON in the file's metadata
METADATA_SCHEMA = 1

PREPARATIONS: dict[str, Any] = {
    "text": text.TextPreparation,
    "image": image.ImagePreparation,
    "table": table.TablePreparation,
}


class OnnxBackbone:
    """A model file with its metadata: `outputs(batch)` runs it.

    Args:
        path: the ONNX file.
        device: "cpu", "cuda" or "auto" (CUDA where there truly is one).
        threads: of one operator; 0 leaves it to the runtime.
        entries: further entries of the session's configuration.

    Raises:
        ArtefactError: the file is missing, damaged or not a model.
        StageError: CUDA was asked for and is not there.
    """

    def __init__(
        self, path: Path, *, device: str = "auto", threads: int = 0, entries: Mapping[str, str] | None = None
    ) -> None:
        self.path, self._entries = path, entries
        self.contents = check_file(path)
        if "logits" not in {v.name for v in self.contents.outputs}:
            given = ", ".join(v.name for v in self.contents.outputs)
            raise ArtefactError(
                f"{path} gives {given or 'nothing'}; the deployed file of a run gives 'logits'",
                hint="run `workbench export RUN` again",
            )
        self.requested = device
        self._session = self._open(path, device, threads)
        self.providers: list[str] = self._session.get_providers()
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self._types = {i.name: np.int64 if "int64" in i.type else np.float32 for i in self._session.get_inputs()}
        self.shapes: dict[str, list[int | str]] = {i.name: list(i.shape) for i in self._session.get_inputs()}

    def _open(self, path: Path, device: str, threads: int) -> Any:
        return open_session(path, device, threads, entries=self._entries)

    @property
    def metadata(self) -> dict[str, Any]:
        """What `export` wrote into the file: task, labels, preparation."""
        try:
            found = json.loads(self.contents.metadata[METADATA])
            schema = int(found["schema"])
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
            raise ArtefactError(
                f"{self.path} carries no workbench metadata", hint="it was not exported by `workbench export`"
            ) from None
        if schema > METADATA_SCHEMA:
            raise ArtefactError(
                f"{self.path} has metadata of schema {schema}, this program reads {METADATA_SCHEMA}",
                hint="update workbench, or export the model again",
            )
        return dict(found)

    @property
    def preparation(self) -> Any:
        """How inputs are prepared, from the file's own metadata."""
        try:
            value = self.metadata["preparation"]
            return PREPARATIONS[value["modality"]].from_json(value)
        except ArtefactError:
            raise
        except Exception as e:  # whatever a stranger wrote there, it is the file that is wrong
            raise ArtefactError(
                f"{self.path} does not say how inputs are prepared: {type(e).__name__}: {str(e)[:200]}",
                hint="run `workbench export RUN` again",
            ) from e

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch: (n, K) float32."""
        found = self.run(batch, ["logits"])[0]
        return checked_scores(found, {n: list(batch[n].shape) for n in self.inputs}, self.path)

    def run(self, batch: Mapping[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        """Some of the file's outputs for a batch.

        Raises:
            ArtefactError: it takes other inputs. StageError: the runtime failed.
        """
        feed = self.feed(batch)
        try:
            found = list(self._session.run(outputs, feed))
        except Exception as e:  # the runtime's errors share no base class
            shapes = {k: list(v.shape) for k, v in feed.items()}
            raise StageError(f"ONNX Runtime could not run {self.path.name} on {shapes}: {runtime_reason(e)}") from e
        self.check_provider()
        return found

    def feed(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A batch as the file's inputs, each of its type."""
        missing = [n for n in self.inputs if n not in batch]
        if missing:
            raise ArtefactError(
                f"{self.path} asks for the input {missing[0]!r}, the data give {', '.join(batch)}: it is another model",
                hint="run `workbench export RUN` again",
            )
        return {n: np.ascontiguousarray(batch[n], dtype=self._types[n]) for n in self.inputs}

    def check_provider(self) -> None:
        """Raise `StageError` where the runtime went over to another provider than it began with."""
        now = self._session.get_providers()
        if now != self.providers:
            raise StageError(
                f"ONNX Runtime went over from {self.providers[0]} to {now[0]} while it ran {self.path.name}",
                hint="look for what the GPU lacks with `workbench doctor`, or use --device cpu",
            )

    def describe(self) -> dict[str, Any]:
        """Content of providers.json: what was asked, what ran each node, and that it stayed so."""
        proof = assignment(self._session)
        return {
            "requested": self.requested,
            "used": self._session.get_providers(),
            "text": ran_on(self._session, self.requested, proof),
            "tf32": False,
            "fallback": "switched off; the providers are looked at after every batch",
            **proof,
        }


def checked_scores(scores: np.ndarray, shapes: Mapping[str, list[int]], path: Path) -> np.ndarray:
    """Scores as they are, if there is a finite row for each example that was asked about."""
    rows = next(iter(shapes.values()))[0]
    if scores.ndim != 2 or len(scores) != rows:
        raise StageError(
            f"{path.name} answers {rows} examples with an array of shape {list(scores.shape)}: its sizes are not "
            "what it declares",
            hint="export the model again, with a free first dimension",
        )
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise StageError(
            f"{path.name} gives values that are not finite, first for row {row} of a batch of {rows}",
            hint="look for extreme values in the data; a variant of lower precision may overflow",
        )
    return scores
