"""A backbone that is asked each input only once: another question on the same inputs is free."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


class Remembered:
    """`outputs` of another backbone, kept by the content of each row of a batch.

    A batch may come in any order and mix rows that are known with rows that are not. Whatever
    else is asked of it is asked of the backbone itself.
    """

    def __init__(self, backbone: Any) -> None:
        self._backbone = backbone
        self._known: dict[bytes, np.ndarray] = {}
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch, (n, K) float32; rows that were asked before are not asked again."""
        arrays = {name: np.ascontiguousarray(batch[name]) for name in sorted(batch)}
        n = len(next(iter(arrays.values())))
        keys = [self._key(arrays, row) for row in range(n)]
        new = list({key: row for row, key in reversed(list(enumerate(keys))) if key not in self._known}.values())[::-1]
        if new:
            self.asked += len(new)
            answers = self._backbone.outputs({name: array[new] for name, array in arrays.items()})
            self._known.update(zip((keys[row] for row in new), answers, strict=True))
        return np.stack([self._known[key] for key in keys])

    @staticmethod
    def _key(arrays: Mapping[str, np.ndarray], row: int) -> bytes:
        found = hashlib.blake2b(digest_size=16)
        for name, array in arrays.items():
            found.update(f"{name}{array.dtype.str}{array.shape[1:]}".encode())
            found.update(array[row].tobytes())
        return found.digest()
