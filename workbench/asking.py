"""Putting masks to models: in full batches, each distinct input once, within the memory there is.

Every black-box method comes down to this: for n masks of some examples, n (times the rows of
a background) inputs of a model. Here they are cut into batches of even length, joined across
examples that ask the same model, and halved where the device runs out of memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import ExplainError

if TYPE_CHECKING:
    from workbench.probe import Probe

Batch = dict[str, np.ndarray]
Model = Callable[[Batch], np.ndarray]


@dataclass
class Asker:
    """Asks models, and counts what it asked.

    Attributes:
        max_memory: bytes of this process above which batches are halved; 0: no limit.
        evaluations: distinct inputs that were put to a model.
        seconds: spent inside the models.
    """

    max_memory: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    _fits: dict[Model, int] = field(default_factory=dict)  # rows that the memory was seen to hold

    def ask(self, requests: Sequence[tuple[Probe, np.ndarray]]) -> list[np.ndarray]:
        """The answers to (probe, (n, M) masks) requests: one (n, K) float64 array each.

        K is the number of scores that the probe's model gives. Repeats (background rows) are averaged.
        Requests of one model share batches; the order of requests does not change the answers.

        Raises:
            ExplainError: not even one input fits into memory.
        """
        queues: dict[Model, _Queue] = {}
        order = sorted(range(len(requests)), key=lambda i: _width(requests[i][0]))
        answers = [_Answer(len(masks), probe.repeats, probe.weights) for probe, masks in requests]
        for i in order:
            probe, masks = requests[i]
            queue = queues.setdefault(_model(probe), _Queue(self, probe))
            queue.add(probe, np.asarray(masks, dtype=bool), answers[i])
        for queue in queues.values():
            queue.flush()
        return [a.mean() for a in answers]

    def run(self, model: Model, batch: Batch) -> np.ndarray:
        """Scores (rows, K) of one batch, in as many parts as the memory asks for."""
        rows = len(next(iter(batch.values())))
        most = self._fits.get(model, rows)
        if rows > most:
            return np.concatenate([self.run(model, _rows(batch, s, s + most)) for s in range(0, rows, most)])
        start = time.perf_counter()
        try:
            if rows > 1 and self._over():
                raise MemoryError
            scores = np.asarray(model(batch), dtype=np.float64)
        except Exception as e:
            if not _is_memory(e):
                raise
            if rows == 1:
                raise ExplainError(
                    "one input of the model does not fit into memory", hint="use a smaller model, or the CPU"
                ) from e
            self._fits[model] = rows // 2
            return self.run(model, batch)
        self.seconds += time.perf_counter() - start
        self.evaluations += rows
        return scores.reshape(rows, -1)

    def _over(self) -> bool:
        if not self.max_memory:
            return False
        import psutil

        return bool(psutil.Process().memory_info().rss > self.max_memory)


class _Answer:
    """The scores of one request, as they come in."""

    def __init__(self, n: int, repeats: int, weights: np.ndarray | None) -> None:
        self._n, self._repeats, self._weights = n, repeats, weights
        self._scores: np.ndarray | None = None

    def put(self, rows: np.ndarray, scores: np.ndarray) -> None:
        if self._scores is None:
            self._scores = np.empty((self._n * self._repeats, scores.shape[1]))
        self._scores[rows] = scores

    def mean(self) -> np.ndarray:
        if self._scores is None:
            return np.zeros((0, 1))
        scores = self._scores.reshape(self._n, self._repeats, -1)
        return np.asarray(np.average(scores, axis=1, weights=self._weights))


class _Queue:
    """Inputs that wait for one model until they fill a batch."""

    def __init__(self, asker: Asker, probe: Probe) -> None:
        self._asker, self._model, self._rows, self._padding = asker, _model(probe), probe.rows, probe.padding
        self._waiting: list[tuple[Batch, list[tuple[_Answer, np.ndarray, np.ndarray]]]] = []
        self._count = 0

    def add(self, probe: Probe, masks: np.ndarray, answer: _Answer) -> None:
        repeats = probe.repeats
        self._rows = min(self._rows, probe.rows)  # that of the longest so far
        order = np.arange(len(masks)) if probe.lengths is None else np.argsort(-probe.lengths(masks), kind="stable")
        step = max(1, self._rows // repeats)
        for start in range(0, len(order), step):
            part = order[start : start + step]
            batch = dict((probe.compose or probe.hide)(masks[part]))
            places = (part[:, None] * repeats + np.arange(repeats)).ravel()
            first, inverse = _distinct(batch) if self._padding else (np.arange(len(places)), np.arange(len(places)))
            if len(first) < len(places):
                batch = {k: v[first] for k, v in batch.items()}
            if self._count + len(first) > self._rows:
                self.flush()
            self._waiting.append((batch, [(answer, places, inverse)]))
            self._count += len(first)

    def flush(self) -> None:
        if not self._waiting:
            return
        scores = self._asker.run(self._model, _join([b for b, _ in self._waiting], self._padding))
        start = 0
        for batch, takers in self._waiting:
            own = scores[start : start + len(next(iter(batch.values())))]
            start += len(own)
            for answer, places, inverse in takers:
                answer.put(places, own[inverse])
        self._waiting, self._count = [], 0


def _model(probe: Probe) -> Model:
    return probe.answer if probe.model is None else probe.model


def _width(probe: Probe) -> int:
    """Length of the whole input, by which texts are sorted; 0 where all inputs are of one size."""
    if not probe.padding:
        return 0
    shown = probe.hide(np.ones((1, len(probe.features)), dtype=bool))
    return max(v.shape[1] for v in shown.values())


def _distinct(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a batch of tokens without repetition, and for every row which of them it is."""
    flat = np.ascontiguousarray(np.concatenate([v.reshape(len(v), -1) for v in batch.values()], axis=1))
    keys = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as they came: sorted by length
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return first[order], place[inverse.ravel()]


def _join(batches: Sequence[Batch], padding: Mapping[str, Any]) -> Batch:
    """Batches below each other; inputs of unequal length are padded at their end."""
    if len(batches) == 1:
        return batches[0]
    joined = {}
    for name in batches[0]:
        arrays = [b[name] for b in batches]
        if len({a.shape[1:] for a in arrays}) > 1:
            widest = max(a.shape[1] for a in arrays)
            value = padding.get(name, 0)
            arrays = [np.pad(a, ((0, 0), (0, widest - a.shape[1])), constant_values=value) for a in arrays]
        joined[name] = np.concatenate(arrays) if isinstance(arrays[0], np.ndarray) else _stacked(arrays)
    return joined


def _stacked(tensors: Sequence[Any]) -> Any:
    """Tensors of a device below each other, there."""
    import torch

    return torch.cat(list(tensors))


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    return {k: v[start:stop] for k, v in batch.items()}


def _is_memory(error: Exception) -> bool:
    """Whether a library says that memory ran out; they share no error."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "failed to allocate memory", "can't allocate memory"))
