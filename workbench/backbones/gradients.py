"""The deployed file together with its gradient graph: a backbone with gradients that needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.onnx import OnnxBackbone
from workbench.errors import ArtefactError, Refusal
from workbench.modalities.grid import token_grid
from workbench.probe import LayerMap
from workbench.run import Run, hash_file

PARITY = "onnx/parity.json"
TOLERANCE = 1e-3  # of the scores of both files on one input: enough to see that they belong together
_KEPT, _SMALL = 4, 4 << 20  # batches whose embeddings are remembered, and of how many bytes: an example and its fillers


class GradientBackbone(OnnxBackbone):
    """A model file whose gradients come from the graph beside it.

    Args:
        path: the ONNX file.
        graph: its gradient graph (`workbench.backbones.gradient_graph`).
        facts: what the export found out about the graph: `sha256`, `coordinates` (the tensor by
            which it differentiates), `layer` (the one that Grad-CAM reads, or ""), `head`
            ("maps" where its inputs are maps).
        device: "cpu", "cuda" or "auto".
        threads: of one operator; 0 leaves it to the runtime.

    Raises:
        ArtefactError: a file is missing, damaged or not the one that was proved equal.
    """

    library = "onnxruntime"

    def __init__(
        self, path: Path, graph: Path, facts: Mapping[str, Any], *, device: str = "auto", threads: int = 0
    ) -> None:
        super().__init__(path, device=device, threads=threads)
        self.facts = facts
        self._graph_path, self._threads, self._checked = graph, threads, False
        self._embedded: dict[Any, np.ndarray] = {}

    @cached_property
    def graph(self) -> OnnxBackbone:
        """The gradient graph, loaded when it is first asked."""
        if not self._graph_path.is_file():
            raise ArtefactError(f"no gradient graph at {self._graph_path}", hint="run `workbench export RUN`")
        if hash_file(self._graph_path) != self.facts["sha256"]:
            raise ArtefactError(
                f"{self._graph_path} is not the file whose gradients were compared with the model's",
                hint="run `workbench export RUN` again",
            )
        return OnnxBackbone(self._graph_path, device=self.requested, threads=self._threads)

    @property
    def inner(self) -> bool:
        """Whether the coordinates are embeddings that the graph makes, not an input as it is."""
        return bool(self.facts["coordinates"] == "embedded")

    @property
    def classes(self) -> int:
        """How many scores the model gives."""
        return int(self.graph.shapes["target"][1])

    @property
    def has_layer(self) -> bool:
        """Whether the graph gives a layer for Grad-CAM."""
        return bool(self.facts.get("layer"))

    def coordinates(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """The continuous coordinates of a batch: pixels, embedded tokens or embedded columns."""
        if not self.inner:
            return np.asarray(batch[self.facts["coordinates"]], dtype=np.float32)
        # ONNX Runtime computes the whole graph whatever is asked of it, and methods ask for the same example's in turn.
        key = tuple((name, batch[name].shape, np.ascontiguousarray(batch[name]).tobytes()) for name in sorted(batch))
        if key in self._embedded:
            found = self._embedded[key] = self._embedded.pop(key)  # asked again: the last to go
            return found
        found = self.graph.run(self._feed(batch, None, None), ["embedded"])[0]
        if found.nbytes <= _SMALL:
            while len(self._embedded) >= _KEPT:
                del self._embedded[next(iter(self._embedded))]
            self._embedded[key] = found
        return found

    def embeddings(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The input of the head as one vector an example (n, d), and the scores (n, K)."""
        inputs, scores = self.graph.run(self._feed(batch, self.coordinates(batch), None), ["features", "logits"])
        return pooled(inputs, of_maps=self.facts["head"] == "maps"), scores

    def slopes(self, batch: Mapping[str, np.ndarray]) -> Callable[[np.ndarray, np.ndarray], Any]:
        """A function from (n, *shape) coordinates and (K,) weights to (n, K) scores and (n, *shape) gradients.

        `batch` is the one example that the coordinates vary; the gradient is of the weighted
        sum of the scores.

        Raises:
            ArtefactError: the graph's scores are not those of the model's file.
        """
        one = {k: v[:1] for k, v in batch.items()}
        self._check(one)

        def of(x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = {k: np.repeat(v, len(x), axis=0) for k, v in one.items()}
            scores, gradients = self.graph.run(self._feed(rows, x, weights), ["logits", "gradient"])
            return scores, gradients

        return of

    def gradients_of(self, batch: Mapping[str, np.ndarray], weights: np.ndarray) -> np.ndarray:
        """Gradients (n, *shape) of a whole batch, each row's scores with its own (n, K) weights."""
        feed = self._feed(batch, self.coordinates(batch), None) | {"target": weights}
        return self.graph.run(feed, ["gradient"])[0]

    def scores_at(self, batch: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        """Scores (n, K) at coordinates of one example: by the deployed file where it takes them itself."""
        rows = {k: np.repeat(v[:1], len(x), axis=0) for k, v in batch.items()}
        if not self.inner:
            return self.outputs({**rows, self.facts["coordinates"]: x})
        return self.graph.run(self._feed(rows, x, None), ["logits"])[0]

    def layer_map(
        self, batch: Mapping[str, np.ndarray], weights: np.ndarray, layer: str, frame: tuple[int, int]
    ) -> LayerMap:
        """The layer of the picture that Grad-CAM reads, for one example.

        Raises:
            Refusal: another layer is wanted, or the graph has none.
        """
        own = self.facts.get("layer")
        if not own or (layer and layer != own):
            raise Refusal(
                f"the gradient graph gives {f'the layer {own!r} alone' if own else 'no layer'}",
                hint="explain it with torch",
            )
        one = {k: v[:1] for k, v in batch.items()}
        self._check(one)
        found = self.graph.run(self._feed(one, self.coordinates(one), weights), ["layer", "layer_gradient"])
        activation, slope = (v[0].astype(np.float64) for v in found)
        return as_map(str(own), activation, slope, frame)

    def _feed(
        self, batch: Mapping[str, np.ndarray], x: np.ndarray | None, weights: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Inputs of the graph: without coordinates zeros in the place of embeddings, without weights no gradient."""
        feed = dict(batch)
        n, *lengths = next(iter(batch.values())).shape
        if self.inner and x is None:
            varying = iter(lengths)
            x = np.zeros(
                [n, *(d if isinstance(d, int) else next(varying) for d in self.graph.shapes["embeddings"][1:])]
            )
        if x is not None:
            feed["embeddings" if self.inner else self.facts["coordinates"]] = x
        feed["target"] = np.zeros((n, self.classes)) if weights is None else np.tile(weights, (n, 1))
        return feed

    def _check(self, one: Mapping[str, np.ndarray]) -> None:
        """Once: the graph says of an input what the deployed file says."""
        if self._checked:
            return
        expected = self.outputs(one)
        (found,) = self.graph.run(self._feed(one, self.coordinates(one), None), ["logits"])
        away = float(np.max(np.abs(found - expected) / (1 + np.abs(expected))))
        if not away <= TOLERANCE:
            raise ArtefactError(
                f"{self._graph_path} answers {away:.2g} away from {self.path.name}, whose gradient it should be",
                hint="run `workbench export RUN` again",
            )
        self._checked = True


def pooled(inputs: np.ndarray, *, of_maps: bool) -> np.ndarray:
    """Inputs of a head as one vector an example: a map averaged over its places, an ensemble over its members."""
    if inputs.ndim <= 2:
        return inputs
    n, channels = inputs.shape[:2]
    return inputs.reshape(n, channels, -1).mean(2) if of_maps else inputs.reshape(n, -1, inputs.shape[-1]).mean(1)


def as_map(name: str, activation: np.ndarray, slope: np.ndarray, frame: tuple[int, int]) -> LayerMap:
    """One example's layer and its gradient, (C, rows, columns) or (T, C) tokens, as maps.

    Raises:
        Refusal: the layer has no places.
    """
    if activation.ndim == 3:
        return LayerMap(name, "map", activation, slope)
    cells = token_grid(len(activation), *frame)
    if cells is None:
        raise Refusal(f"layer {name!r} has no places", hint="use integrated-gradients or occlusion")
    rows, columns, skip = cells
    activation, slope = (v[skip:].T.reshape(-1, rows, columns) for v in (activation, slope))
    return LayerMap(name, "tokens", activation, slope)


def proved(run: Run, parity: str = PARITY) -> dict[str, Any]:
    """What the export found out about a run's gradient graph; empty where there is none that may be used."""
    found = run.read_json(parity).get("gradients", {}) if run.has(parity) else {}
    return dict(found) if found.get("passed") else {}


def deployed(folder: Path, device: str, facts: Mapping[str, Any]) -> OnnxBackbone:
    """The deployed file of a folder, with its gradients where `facts` say that their graph was proved equal."""
    path = folder / "model.onnx"
    if not facts:
        return OnnxBackbone(path, device=device)
    return GradientBackbone(path, folder / "explain.onnx", facts, device=device)
