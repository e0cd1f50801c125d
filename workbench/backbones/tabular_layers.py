"""The layers of the tabular network: columns as vectors, and members that share matrices.

A numeric column becomes a piecewise-linear encoding over its own quantiles plus its
standardised value (Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical
Features in Tabular Deep Learning"); a categorical column becomes a row of a table. Both
are centred on the training rows, so the zero vector means "nothing is known about this
column": a missing value is zero plus a learned offset, an unseen category is the same.

Ensemble members share every matrix and differ in the vectors that scale its inputs and
outputs (Wen, Tran and Ba 2020, "BatchEnsemble"; Gorishniy, Kotelnikov and Babenko 2025,
"TabM").
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

_ROWS_AT_ONCE = 4096
_LARGEST = torch.finfo(torch.float32).max


def bin_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Return at most `bins` + 1 ascending edges of a column's bins, by capped quantiles.

    Plain quantiles give a column whose rows are mostly one value (capital gains: 92 % zero)
    nearly no bins where it varies. Here one value counts for at most one bin's share of
    the rows, and the rest of the bins go to the values that differ.

    Args:
        values: (n,) finite values, in the column's unit.
        bins: number of bins, 0 or more.

    Returns:
        (k,) float64 edges, empty where the column is constant or `bins` is 0.
    """
    distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
    if bins == 0 or len(distinct) < 2:
        return np.zeros(0)
    if len(distinct) > bins + 1:
        capped = counts.astype(np.float64)
        for _ in range(50):  # to a fixed point: the cap is a share of what is left below it
            if capped.max() <= 1.01 * capped.sum() / bins:
                break
            capped = np.minimum(capped, capped.sum() / bins)
        mass = np.cumsum(capped)
        picks = np.searchsorted(mass / mass[-1], np.linspace(0, 1, bins + 1)[1:])
        distinct = distinct[np.unique(np.concatenate([[0], np.minimum(picks, len(distinct) - 1)]))]
    # Edges closer than float32 resolves would make a step out of a ramp.
    wide = np.diff(distinct) > 1e-6 * (distinct[-1] - distinct[0])
    edges: np.ndarray = distinct[np.concatenate([[True], wide])]
    return edges


class ColumnEmbedding(nn.Module):
    """Raw numeric values and category codes to one vector per column.

    Each column's vector depends on that column alone. Every statistic is a buffer, so the
    exported graph takes raw values.

    Args:
        numeric_columns: F_num, may be 0.
        cardinalities: categories of each categorical column; codes run from 1, 0 is
            missing or unseen.
        bins: bins of each numeric column.
        width: d, length of a column's vector.
        clip: standardised values are squashed smoothly into (-clip, clip); 0 leaves them.
        identity: start with vectors that are the encoding itself, not random ones.
    """

    mean: Tensor
    inverse_scale: Tensor
    bin_low: Tensor
    bin_inverse_width: Tensor
    centre: Tensor
    offsets: Tensor
    cardinality: Tensor
    frequency: Tensor

    def __init__(
        self, numeric_columns: int, cardinalities: list[int], *, bins: int, width: int, clip: float, identity: bool
    ) -> None:
        super().__init__()
        F, C, rows = numeric_columns, len(cardinalities), sum(cardinalities) + len(cardinalities)
        self.numeric_columns, self.cardinalities, self.clip, self.identity = F, list(cardinalities), clip, identity
        self.register_buffer("mean", torch.zeros(F))
        self.register_buffer("inverse_scale", torch.zeros(F))
        self.register_buffer("bin_low", torch.zeros(F, bins))
        self.register_buffer("bin_inverse_width", torch.zeros(F, bins))
        self.register_buffer("centre", torch.zeros(F, 1 + bins))
        starts = np.cumsum([0, *(k + 1 for k in cardinalities)])[:C]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.int64))
        self.register_buffer("cardinality", torch.tensor(cardinalities, dtype=torch.int64))
        self.register_buffer("frequency", torch.zeros(C, rows))
        self.weight = nn.Parameter(torch.empty(F, 1 + bins, width))
        self.missing = nn.Parameter(torch.empty(F, width))
        self.table = nn.Parameter(torch.empty(rows, width))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise the vectors: random, or each encoding as itself (`identity`)."""
        width = self.weight.shape[2]
        nn.init.zeros_(self.missing)
        if not self.identity:
            # Large encodings, not the usual 0.02: what distinguishes neighbouring bins has to
            # reach the first layer within a few epochs.
            nn.init.normal_(self.weight, std=0.7)
            nn.init.normal_(self.table, std=0.7)
            self.table[self._unknown_rows()] = 0.0
            return
        nn.init.zeros_(self.table)
        self.weight.copy_(torch.eye(self.weight.shape[1], width).expand_as(self.weight))
        self.missing[:, self.weight.shape[1]] = 1.0
        for start, k in zip(self._unknown_rows(), self.cardinalities, strict=True):
            if k < width:
                self.table[start : start + k + 1] = torch.eye(k + 1, width)
            else:  # too many categories for one position each: a random projection of one-hot
                nn.init.normal_(self.table[start + 1 : start + k + 1], std=width**-0.5)

    def _unknown_rows(self) -> list[int]:
        return [sum(self.cardinalities[:c]) + c for c in range(len(self.cardinalities))]

    @torch.no_grad()
    def fit(self, numeric: np.ndarray, categorical: np.ndarray | None) -> ColumnEmbedding:
        """Set every statistic from training rows.

        Args:
            numeric: (n, F_num) raw values, NaN or infinite where missing.
            categorical: (n, F_cat) codes, or None: all categories count as equally frequent.

        Returns:
            The module itself.
        """
        for f in range(self.numeric_columns):
            values = numeric[np.isfinite(numeric[:, f]), f].astype(np.float64)
            if len(values) == 0:
                continue
            self.mean[f] = float(values.mean())
            scale = float(values.std())
            if not scale > 1e-7 * max(float(np.abs(values).max()), 1e-23):
                continue  # constant: the column says nothing and its vector stays zero
            self.inverse_scale[f] = 1.0 / scale
            edges = bin_edges(values, self.bin_low.shape[1])
            for b, (low, high) in enumerate(pairwise(edges)):
                self.bin_low[f, b], self.bin_inverse_width[f, b] = float(low), 1.0 / float(high - low)
        self._fit_centre(numeric)
        for c, (start, k) in enumerate(zip(self._unknown_rows(), self.cardinalities, strict=True)):
            counts = np.ones(k) if categorical is None else np.bincount(categorical[:, c], minlength=k + 1)[1 : k + 1]
            share = counts / max(counts.sum(), 1)
            self.frequency[c, start + 1 : start + 1 + k] = torch.tensor(share, dtype=torch.float32)
        return self

    def _fit_centre(self, numeric: np.ndarray) -> None:
        total = torch.zeros(self.centre.shape, dtype=torch.float64)
        known = torch.zeros(self.numeric_columns, 1, dtype=torch.float64)
        for i in range(0, len(numeric), _ROWS_AT_ONCE):
            values = torch.tensor(numeric[i : i + _ROWS_AT_ONCE], dtype=torch.float32)
            finite = torch.isfinite(values)[..., None]
            total += torch.where(finite, self._encode(torch.where(finite[..., 0], values, self.mean)), 0.0).sum(0)
            known += finite.sum(0)
        self.centre.copy_(total / known.clamp(min=1))

    def _encode(self, values: Tensor) -> Tensor:
        """Return the (n, F_num, 1 + bins) encoding of (n, F_num) values that are all known."""
        value = (values - self.mean) * self.inverse_scale
        if self.clip:
            value = self.clip * torch.tanh(value / self.clip)
        ramps = ((values[..., None] - self.bin_low) * self.bin_inverse_width).clamp(0.0, 1.0)
        return torch.cat([value[..., None], ramps], dim=-1)

    def forward(self, numeric: Tensor | None, categorical: Tensor | None) -> Tensor:
        """Return the (n, F_num + F_cat, d) vectors of (n, F_num) values and (n, F_cat) codes."""
        vectors = []
        if self.numeric_columns and numeric is not None:
            known = numeric.abs() <= _LARGEST  # false for NaN and for infinities
            encoded = self._encode(torch.where(known, numeric, self.mean)) - self.centre
            encoded = torch.where(known[..., None], encoded, torch.zeros_like(encoded))
            unknown = torch.where(known, 0.0, 1.0)[..., None]
            vectors.append(torch.einsum("nfe,fed->nfd", encoded, self.weight) + unknown * self.missing)
        if self.cardinalities and categorical is not None:
            known = (categorical > 0) & (categorical <= self.cardinality)
            code = torch.where(known, categorical, torch.zeros_like(categorical))
            average = self.frequency @ self.table
            rows = nn.functional.embedding(code + self.offsets, self.table)
            vectors.append(rows - torch.where(known, 1.0, 0.0)[..., None] * average)
        return torch.cat(vectors, dim=1)

    def used_positions(self, numeric: np.ndarray, categorical: np.ndarray | None) -> Tensor:
        """Return which of the flattened F * d positions can be other than zero, for `identity`."""
        used = torch.zeros(self.numeric_columns + len(self.cardinalities), self.weight.shape[2], dtype=torch.bool)
        for f in range(self.numeric_columns):
            used[f, 0] = bool(self.inverse_scale[f] > 0)
            used[f, 1 : self.weight.shape[1]] = self.bin_inverse_width[f] > 0
            used[f, self.weight.shape[1]] = bool((~np.isfinite(numeric[:, f])).any())
        for c, k in enumerate(self.cardinalities):
            seen_missing = categorical is not None and bool((categorical[:, c] == 0).any())
            used[self.numeric_columns + c, 1 : k + 1] = True
            used[self.numeric_columns + c, 0] = seen_missing or k >= used.shape[1]
        return used.flatten().nonzero()[:, 0]


class EnsembleLinear(nn.Module):
    """A linear layer that the members share, scaled by each member's own vectors.

    Member m computes ((x * input_scale[m]) W^T) * output_scale[m] + bias[m].

    Args:
        inputs: length of a column's vector where `columns` is set, else of the input.
        outputs: length of the output.
        members: number of members.
        columns: for the first layer: each member scales whole columns by random factors,
            which is what makes the members differ.
    """

    def __init__(self, inputs: int, outputs: int, members: int, *, columns: int = 0) -> None:
        super().__init__()
        self.columns = columns
        total = inputs * max(columns, 1)
        self.weight = nn.Parameter(torch.empty(outputs, total))
        self.bias = nn.Parameter(torch.empty(members, outputs))
        self.input_scale = nn.Parameter(torch.empty(members, total))
        self.output_scale = nn.Parameter(torch.empty(members, outputs))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise: shared weights at random, scales at one or at random per column."""
        members, total = self.input_scale.shape
        bound = 1.0 / math.sqrt(total)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        nn.init.ones_(self.output_scale)
        nn.init.ones_(self.input_scale)
        if self.columns:
            factors = torch.randn(members, self.columns)
            self.input_scale.copy_(factors.repeat_interleave(total // self.columns, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, members or 1, inputs) to (n, members, outputs)."""
        return nn.functional.linear(x * self.input_scale, self.weight) * self.output_scale + self.bias


class ResidualBlock(nn.Module):
    """h + dropout(linear(dropout(silu(linear(silu(h)))))) for (n, members, width)."""

    def __init__(self, width: int, members: int, dropout: float) -> None:
        super().__init__()
        self.first = EnsembleLinear(width, width, members)
        self.second = EnsembleLinear(width, width, members)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        inner = self.dropout(nn.functional.silu(self.first(nn.functional.silu(h))))
        return h + cast(Tensor, self.dropout(self.second(inner)))


class Head(nn.Module):
    """Each member's own last layer: (n, members, inputs) to (n, members, outputs)."""

    def __init__(self, inputs: int, outputs: int, members: int, *, linear: bool) -> None:
        super().__init__()
        self.linear = linear
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(members, outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise: zero for a linear model, small random weights behind hidden units."""
        bound = 0.0 if self.linear else 1.0 / math.sqrt(max(self.weight.shape[1], 1))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.bias)

    def forward(self, h: Tensor) -> Tensor:
        """Return each member's outputs."""
        return torch.einsum("nmi,mio->nmo", h, self.weight) + self.bias
