"""Is a variant of the deployed file still the same model: in scores, labels, quality and reasons?"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from workbench.backbones.onnx import OnnxBackbone
from workbench.bank import evaluate
from workbench.metrics.counted import paired_cells
from workbench.metrics.multilabel import all_right
from workbench.metrics.noninferiority import margin_on_accuracy
from workbench.metrics.paired import compare
from workbench.records import finite
from workbench.stages.evaluate import clusters_of, settings_of
from workbench.stages.explain import Asked, shapley_values
from workbench.stages.session import Session
from workbench.types import ClassScores, LabelScores, Predictions, Values

TOLERANCE = {"fp16": 2e-2, "bf16": 1e-1}  # of max |Δ logit| / (1 + |logit|); int8 is judged by its answers alone
MARGIN = 0.005  # largest acceptable loss: of accuracy, or of RMSE as a share of it
RANKS, OVERLAP, TOP = 0.99, 0.9, 5  # least rank correlation and overlap of the TOP parts of an explanation
_CASES, _MASKS = 4, 128
_BATCH = 64


class Judge:
    """Compares variants with the deployed file on the test split; what fp32 answers is asked once."""

    def __init__(self, session: Session, encoded: Any) -> None:
        self.session, self.encoded = session, encoded
        self.rows = session.rows("test")

    def compare(self, path: Path, dtype: str) -> dict[str, Any]:
        """What variants.json says of one variant besides its file.

        Raises:
            WorkbenchError: the file cannot be loaded, or gives values that are not finite.
        """
        backbone = OnnxBackbone(path, device=self.session.device)
        theirs = self._scores(backbone)
        scores = self._agreement(theirs, dtype)
        quality = self._quality(theirs)
        reasons = self._attributions(backbone)
        checks = {
            "scores": scores["passed"],
            "labels": scores["labels_passed"],
            "quality": quality["passed"] if _must_show(dtype, quality) else None,
            "attributions": reasons["passed"],
        }
        failed = [name for name, passed in checks.items() if passed is False]
        return {
            "scores": scores,
            "quality": quality,
            "attributions": reasons,
            "passed": not failed,
            "failed": failed,
            "reason": _why(failed, scores, quality, reasons),
        }

    # -- scores and labels -------------------------------------------------------------

    @cached_property
    def fp32(self) -> np.ndarray:
        """Scores of the deployed file on the test split, (n, K)."""
        return self._scores(self.session.onnx)

    def _scores(self, backbone: Any) -> np.ndarray:
        order = np.argsort(self.encoded.lengths[self.rows], kind="stable")
        found: list[np.ndarray] = [
            backbone.outputs(self.encoded.batch(self.rows[order[i : i + _BATCH]])) for i in range(0, len(order), _BATCH)
        ]
        scores = np.concatenate(found)
        result = np.empty_like(scores)
        result[order] = scores
        return result

    def _agreement(self, theirs: np.ndarray, dtype: str) -> dict[str, Any]:
        error = np.abs(theirs - self.fp32) / (1 + np.abs(self.fp32))
        tolerance = TOLERANCE.get(dtype)
        before, after = self._decoded(self.fp32), self._decoded(theirs)
        n = len(self.rows)
        found: dict[str, Any] = {
            "max_error": float(error.max(initial=0)),
            "max_abs": float(np.abs(theirs - self.fp32).max(initial=0)),
            "tolerance": tolerance,
            "passed": None if tolerance is None else bool(error.max(initial=0) <= tolerance),
            "n": n,
            "agree": None,
            "labels_passed": None,
        }
        if isinstance(before, Values):
            return found
        same = before.predicted == after.predicted  # type: ignore[union-attr]
        same = same if same.ndim == 1 else same.all(axis=1)
        found["agree"] = int(same.sum())
        if tolerance is not None and isinstance(before, ClassScores) and self.fp32.shape[1] > 1:
            top = np.sort(self.fp32, axis=1)
            sure = top[:, -1] - top[:, -2] > 2 * tolerance * (1 + np.abs(top[:, -1]))
            found["labels_passed"] = bool(same[sure].all())
        return found

    def _decoded(self, scores: np.ndarray) -> Predictions:
        facts = self.session.facts("onnx")
        rows = self.rows
        chosen = {**facts, "ids": facts["ids"][rows], "splits": facts["splits"][rows]}
        chosen["targets"] = [facts["targets"][i] for i in rows]
        chosen["groups"] = {k: v[rows] for k, v in facts["groups"].items()}
        return self.session.task.decode(scores, chosen)

    # -- quality -----------------------------------------------------------------------

    def _quality(self, theirs: np.ndarray) -> dict[str, Any]:
        """Non-inferiority within `MARGIN`, and answers that turned from right to wrong."""
        before, after = self._decoded(self.fp32), self._decoded(theirs)
        settings = settings_of(self.session)
        if isinstance(before, LabelScores) and isinstance(after, LabelScores):
            known = (before.targets >= 0).all(axis=1)
            truth = before.targets[known] == 1
            cells = paired_cells(all_right(truth, before.predicted[known]), all_right(truth, after.predicted[known]))
            tested: dict[str, Any] | None = margin_on_accuracy(cells, MARGIN, settings["confidence"])
            n = max(1, sum(cells))
            of = "whole label sets right"
            flips: float | None = cells[1] / n
            values: tuple[Any, Any] = ((cells[0] + cells[1]) / n, (cells[0] + cells[2]) / n)
        else:
            clusters = clusters_of(self.session, before.ids)
            content = compare(before, after, split="test", margin=MARGIN, clusters=clusters, **settings)
            tested = content["margin"]
            flips = (content["flips"] or {}).get("nfr")
            measure = content["accuracy"] or next(iter(content["measures"]), None)
            if measure is None:
                return {"passed": None, "reason": content["verdict"], "margin": MARGIN, "nfr": flips}
            of = "accuracy" if content["accuracy"] else "rmse"
            values = (measure["before"], measure["after"])
        test = (tested or {}).get("noninferiority")
        found = {
            "measure": of,
            "fp32": values[0],
            "variant": values[1],
            "margin": MARGIN,
            "nfr": flips,
            "test": test,
            "passed": bool(test["passed"]) if test else None,
            "reason": test["sentence"] if test else (tested or {}).get("reason", "the margin could not be tested"),
        }
        return dict(finite(found))

    # -- reasons -----------------------------------------------------------------------

    @cached_property
    def _asked(self) -> tuple[Asked, list[tuple[Any, Any, np.ndarray]]]:
        """Cases with their masks and what each part counts in the deployed file."""
        asked = Asked(self.session)
        found = []
        for case in asked.cases[:_CASES]:
            masks = asked.coalitions(case, max(_MASKS, 4 * len(case["cut"].features)))
            found.append((case, masks, shapley_values(evaluate(asked.bound(case, self.session.onnx), masks))))
        return asked, found

    def _attributions(self, backbone: Any) -> dict[str, Any]:
        """Shapley values from the same masks through both files, compared case by case."""
        asked, found = self._asked
        ranks, overlaps = [], []
        for case, masks, ours in found:
            theirs = shapley_values(evaluate(asked.bound(case, backbone), masks))
            ranks.append(
                float(spearmanr(ours, theirs).statistic) if len(ours) > 2 else float(np.allclose(ours, theirs))
            )
            overlaps.append(overlap(ours, theirs, TOP))
        if not ranks:
            return {"passed": None, "n": 0, "reason": "no example of the test split has parts to hide"}
        rank, shared = float(np.mean(np.nan_to_num(ranks))), float(np.mean(overlaps))
        return {
            "method": "Shapley values from the same masks",
            "n": len(ranks),
            "rank_correlation": rank,
            "rank_correlation_min": float(np.min(np.nan_to_num(ranks))),
            "overlap": shared,
            "top": TOP,
            "passed": bool(rank >= RANKS and shared >= OVERLAP),
        }


def _must_show(dtype: str, quality: dict[str, Any]) -> bool:
    """Whether a variant fails for its quality: int8 has to show that it is not worse.

    Of the others, whose scores are bound to fp32's, only what is seen to be worse counts: with few examples
    the test cannot be passed even by a copy.
    """
    return dtype not in TOLERANCE or not (quality.get("test") or {}).get("underpowered", True)


def overlap(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Shared parts among the k that count most in each, over all parts in either (Jaccard)."""
    k = min(k, max(1, len(a) - 1))
    first, second = (set(np.argsort(-np.abs(v), kind="stable")[:k].tolist()) for v in (a, b))
    return len(first & second) / len(first | second)


def _why(failed: list[str], scores: dict[str, Any], quality: dict[str, Any], reasons: dict[str, Any]) -> str:
    said = {
        "scores": f"scores differ by {scores['max_error']:.2g}, more than {scores['tolerance'] or 0:g}",
        "labels": "an answer that is no tie differs",
        "quality": str(quality.get("reason", "")).rstrip("."),
        "attributions": (
            f"explanations differ: rank correlation {reasons.get('rank_correlation', 0):.3f} (at least {RANKS:g}), "
            f"overlap of the first {TOP} {reasons.get('overlap', 0):.2f} (at least {OVERLAP:g})"
        ),
    }
    return "; ".join(said[name] for name in failed)
