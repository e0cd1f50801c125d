"""Tree ensembles of scikit-learn as a backbone: what was fitted, as arrays, without scikit-learn or pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from workbench.backbones.saving import saving
from workbench.errors import ArtefactError, Refusal
from workbench.run import write_atomically
from workbench.trees import Trees

WEIGHTS, ABOUT = "model.safetensors", "estimator.json"
SCHEMA = 1
CLIP = 1e-6  # probabilities of trees that agree are 0 or 1, which have no logarithm


@dataclass(frozen=True)
class Encoding:
    """From the model's inputs to the numbers that trees ask for, columns of numbers first.

    A category becomes its place in the order that the target gave (`estimator_fit`), so that
    one column stays one feature: the Shapley value of a column is not the sum of those of its
    indicators.

    Attributes:
        ranks: place of each category of each categorical column below each other, float32; rare
            ones share one. NaN for code 0, a missing or unseen value, or the rare ones' place.
        offsets: where each categorical column begins in `ranks`.
        fill: (F,) float32 that stands for a missing value; NaN leaves it to the trees.
    """

    ranks: np.ndarray
    offsets: np.ndarray
    fill: np.ndarray

    def rows(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Rows (n, F) float32."""
        parts = []
        if "numeric" in batch:
            parts.append(np.asarray(batch["numeric"], dtype=np.float32))
        if "categorical" in batch:
            parts.append(self.ranks[np.asarray(batch["categorical"]) + self.offsets])
        rows = np.concatenate(parts, axis=1)
        return np.where(np.isnan(rows), self.fill, rows).astype(np.float32)


@dataclass(frozen=True)
class Link:
    """From what the trees add up to (n, O) to scores (n, K).

    Attributes:
        name: "linear" (boosting, values), "log" (probabilities of classes) or "log-odds"
            (of labels: K probabilities of yes, then K of no).
        matrix: (O, K) and
        offset: (K,) of a linear link; of the others the matrix says which output is the probability.
    """

    name: str
    matrix: np.ndarray
    offset: np.ndarray

    @property
    def in_probability(self) -> bool:
        """Whether the trees add up to probabilities and not to scores."""
        return self.name != "linear"

    def scores(self, raw: np.ndarray) -> np.ndarray:
        if self.name == "linear":
            return np.asarray(raw @ self.matrix + self.offset)
        logs = np.log(np.clip(raw, CLIP, 1.0))
        if self.name == "log":
            return np.asarray(logs)
        half = logs.shape[1] // 2
        return np.asarray(logs[:, :half] - logs[:, half:])


@dataclass(frozen=True)
class EstimatorBackbone:
    """A fitted ensemble: `outputs(batch)` in float64 from its arrays, rounded to float32.

    Attributes:
        trees: what was fitted.
        encoding: of its inputs.
        link: of its outputs.
        grid: (F, G) quantiles of each feature in the training rows.
        facts: what a report says of it: source, class, parameters.
    """

    trees: Trees
    encoding: Encoding
    link: Link
    grid: np.ndarray
    inputs: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    modality = "table"
    compares_leaves = True  # its embeddings are places in trees, not points in space

    @property
    def head(self) -> str:
        return f"the leaves of {len(self.trees)} trees" if len(self.trees) > 1 else "the leaves of its tree"

    @property
    def parameters(self) -> int:
        """Fitted numbers."""
        return self.trees.parameters

    def to(self, device: str) -> EstimatorBackbone:
        """Trees run on the CPU, wherever the rest runs."""
        return self

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch: (n, K) float32."""
        return self.link.scores(self.trees.raw(self.encoding.rows(batch))).astype(np.float32)

    def embeddings(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The leaf of each tree (n, T) and the scores (n, K), both float32: places below 2^24 are exact."""
        leaves = self.trees.leaves(self.encoding.rows(batch))
        return leaves.astype(np.float32), self.link.scores(self.trees.sums(leaves)).astype(np.float32)

    def features(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The encoded rows (n, F), each column's place among the training rows' quantiles, and the scores.

        For measures of distance: places have no unit. A missing value is in the middle.
        """
        rows = self.encoding.rows(batch)
        places = np.stack(
            [np.searchsorted(self.grid[j], rows[:, j]) / self.grid.shape[1] for j in range(rows.shape[1])], axis=1
        )
        return np.where(np.isnan(rows), 0.5, places), self.outputs(batch)

    def randomised(self, seed: int) -> EstimatorBackbone:
        """The same shape of trees with everything that was learnt drawn by lot (see `Trees.shuffled`)."""
        return replace(self, trees=self.trees.shuffled(np.random.default_rng(seed), self.grid))

    # -- keeping ----------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write the arrays (`model.safetensors`) and what they are (`estimator.json`)."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"trees.{name}": array for name, array in self.trees.arrays().items()}
        arrays |= {f"encoding.{name}": getattr(self.encoding, name) for name in ("ranks", "offsets", "fill")}
        arrays |= {"link.matrix": self.link.matrix, "link.offset": self.link.offset, "grid": self.grid}
        about = {"schema": SCHEMA, "link": self.link.name, "inputs": list(self.inputs), "facts": self.facts}
        with saving(folder):
            write_atomically(folder / WEIGHTS, save(dict(sorted(arrays.items()))))
        write_atomically(folder / ABOUT, (json.dumps(about, ensure_ascii=False, indent=1) + "\n").encode())


def load_estimator(folder: Path) -> EstimatorBackbone:
    """Read what `EstimatorBackbone.save` wrote.

    Raises:
        ArtefactError: it is missing, damaged or newer than this program.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if int(about["schema"]) > SCHEMA:
            raise ArtefactError(
                f"{folder / ABOUT} has schema {about['schema']}, this program reads {SCHEMA}", hint="update workbench"
            )
        arrays = load_file(folder / WEIGHTS)
        trees = Trees.of_arrays({k.removeprefix("trees."): v for k, v in arrays.items() if k.startswith("trees.")})
        encoding = Encoding(*(arrays[f"encoding.{name}"] for name in ("ranks", "offsets", "fill")))
        link = Link(str(about["link"]), arrays["link.matrix"], arrays["link.offset"])
        return EstimatorBackbone(trees, encoding, link, arrays["grid"], tuple(about["inputs"]), dict(about["facts"]))
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as e:
        raise ArtefactError(f"{folder} holds no trees that can be read: {e}", hint="run the config again") from e


def in_probability_only(link: Link) -> Refusal:
    """Why trees whose answers are averaged are not asked for a logit."""
    return Refusal(
        "these trees add up to probabilities, and the logarithm of a sum is no sum over trees",
        hint="ask for probabilities, as a run of its own does",
    )
