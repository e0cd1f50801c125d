"""Familiar: what the customised model has seen that is like an input, and how usual the input is.

The embeddings come from the pass that predicts; what is kept of the training examples (a
vector, an excerpt) is enough to find and show neighbours without reading the data again.
"""

from __future__ import annotations

import base64
import io
import json
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save

from workbench.data.fingerprint import target_name
from workbench.data.pictures import read_image
from workbench.errors import ArtefactError
from workbench.explainers.neighbours import COSINE, LEAVES, nearest, share_nearer, sharing_leaves, unit
from workbench.markup import brief
from workbench.records import parquet_bytes, read_table
from workbench.run import Run
from workbench.stages.session import Session
from workbench.types import Dataset

EMBEDDINGS, EXCERPTS = "tuned/embeddings.safetensors", "tuned/excerpts.parquet"
SHOWN = 3  # neighbours
# Training examples that are kept; of larger splits as many are drawn by seed.
_MOST = {"text": 20_000, "table": 20_000, "image": 2_000}
_MOST_REFERENCE = 2_000  # validation examples whose nearest distance is kept
_MOST_COMPARED = 500  # of these, where leaves are compared tree by tree
_LETTERS, _PIXELS = 240, 96  # of an excerpt


def keep_embeddings(session: Session, embeddings: np.ndarray) -> None:
    """Write `tuned/embeddings.safetensors`.

    Args:
        embeddings: (n, d) of every example, in the dataset's order.
    """
    rng = np.random.default_rng([session.config.seed, 7])
    train = _drawn(session.rows("train"), _MOST[session.task.modality_name], rng)
    validation = _drawn(session.rows("validation"), _MOST_REFERENCE, rng)
    if getattr(session.tuned, "compares_leaves", False):
        known, metric = embeddings[train].astype(np.int32), LEAVES
        _, distances = sharing_leaves(embeddings[validation[:_MOST_COMPARED]], known, 1)
    else:
        known, metric = unit(embeddings[train]).astype(np.float16), COSINE
        _, distances = nearest(embeddings[validation], known, 1)
    arrays = {"embedding": known, "row": train, "reference": np.sort(distances[:, 0]).astype(np.float32)}
    facts = {"layer": session.tuned.head, "metric": metric, "of": len(session.rows("train"))}
    # One key: safetensors writes several in an order of their own each time.
    session.run.write_bytes(EMBEDDINGS, save(arrays, metadata={"workbench": json.dumps(facts)}))


def _drawn(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(rng.permutation(rows)[:most])


def keep_excerpts(session: Session) -> None:
    """Write `tuned/excerpts.parquet`: of every training example with an embedding what a reader recognises it by."""
    rows, examples = Familiar(session.run).rows, session.dataset.examples
    chosen = [examples[int(r)] for r in rows]
    table = pa.table(
        {
            "id": pa.array([e.id for e in chosen], pa.string()),
            "target": pa.array([_target(session.dataset, e.target) for e in chosen], pa.string()),
            "excerpt": pa.array([excerpt(e.input, session.task.modality_name) for e in chosen], pa.string()),
        }
    )
    session.run.write_bytes(EXCERPTS, parquet_bytes(table))


def _target(dataset: Dataset, target: Any) -> str | None:
    name = target_name(dataset, target)
    if isinstance(name, tuple):
        return ", ".join(name) or "no label"
    return repr(name) if isinstance(name, float) else name


def excerpt(value: Any, modality: str) -> str:
    """An input in short: the text's beginning, a thumbnail as a `data:` URI, the row as JSON."""
    if modality == "text":
        return str(value) if len(value) <= _LETTERS else f"{str(value)[: _LETTERS - 1]}…"
    if modality == "table":
        cells = {k: None if v is None or v != v else brief(v) if isinstance(v, str) else v for k, v in value.items()}
        return json.dumps(cells, ensure_ascii=False)
    image = Image.fromarray(read_image(value))
    image.thumbnail((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    small = max(image.size) <= 32  # every pixel counts, and few bytes they are
    image.save(sink, "PNG" if small else "WEBP", **({"optimize": True} if small else {"quality": 70}))
    return f"data:image/{'png' if small else 'webp'};base64,{base64.b64encode(sink.getvalue()).decode()}"


class Familiar:
    """The training examples of a run as its customised model sees them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        path = run.path / EMBEDDINGS
        if not path.is_file():
            raise ArtefactError(
                f"{path} is missing: runs of earlier versions keep no embeddings of their training examples",
                hint=f"run `workbench predict {run.path}`, which makes them",
            )
        try:
            with safe_open(path, framework="numpy") as file:
                self._known = file.get_tensor("embedding")
                self.rows: np.ndarray = file.get_tensor("row")
                self._reference = file.get_tensor("reference")
                self._facts: dict[str, Any] = json.loads(file.metadata()["workbench"])
        except Exception as e:  # safetensors raises its own bare errors
            raise ArtefactError(f"{path} is damaged: {e}", hint=f"run `workbench predict {run.path}` again") from None

    @cached_property
    def _excerpts(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = read_table(self._run, EXCERPTS).to_pydict()
        return found

    def facts(self) -> dict[str, Any]:
        """What the distances are, for a reader."""
        return {
            "layer": self._facts["layer"],
            "metric": self._facts.get("metric", COSINE),
            "examples": len(self.rows),
            "of": self._facts["of"],
            "reference": len(self._reference),
        }

    def of(self, embedding: np.ndarray, example_id: str, *, k: int = SHOWN) -> dict[str, Any]:
        """The `k` training examples nearest to one embedding (d,), and how usual their nearness is.

        The example itself is left out where it is one of them.
        """
        find = sharing_leaves if self._facts.get("metric") == LEAVES else nearest
        rows, distances = find(embedding[None], self._known, k + 1)
        known = self._excerpts
        found = [
            {"id": known["id"][r], "target": known["target"][r], "distance": float(d), "excerpt": known["excerpt"][r]}
            for r, d in zip(rows[0].tolist(), distances[0], strict=True)
            if known["id"][r] != example_id
        ][:k]
        share = share_nearer(found[0]["distance"], self._reference) if found else None
        return {"neighbours": found, "share_nearer": share}
