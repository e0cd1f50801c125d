"""The order in which training examples are read: drawn anew each epoch, of like length in a batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

_BATCHES_SORTED_TOGETHER = 50


class ByLength(Sampler[int]):
    """Shuffled rows, sorted by length within stretches of 50 batches, the batches shuffled again.

    Little padding, and still another order each epoch. The order depends on the seed and the
    epoch alone, so that training which goes on after an interruption sees what it would have.

    Args:
        lengths: (n,) tokens of each row; where all are equal the order is a plain shuffle.
        batch: rows of a batch.
        seed: of the order.
    """

    def __init__(self, lengths: np.ndarray, batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, self._epoch])
        rows = rng.permutation(len(self._lengths))
        stretch = self._batch * _BATCHES_SORTED_TOGETHER
        batches: list[np.ndarray] = []
        for start in range(0, len(rows), stretch):
            part = rows[start : start + stretch]
            part = part[np.argsort(-self._lengths[part], kind="stable")]
            batches += [part[i : i + self._batch] for i in range(0, len(part), self._batch)]
        full = [b for b in batches if len(b) == self._batch]
        rest = [b for b in batches if len(b) < self._batch]  # last, or the batches after it would shift
        for index in rng.permutation(len(full)):
            yield from full[index].tolist()
        for part in rest:
            yield from part.tolist()
