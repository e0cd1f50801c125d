"""Loss and score of an ensemble by the number of its trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.backbones.estimators import CLIP, Link
from workbench.trees import Trees


@dataclass(frozen=True)
class Curve:
    """Loss and score as the ensemble grows."""

    trees: Trees
    link: Link
    steps: np.ndarray
    boosts: bool
    target: str

    def history(
        self,
        train: tuple[np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray],
        seed: int,
        most: int = 4000,
    ) -> list[dict[str, Any]]:
        """Of every step of boosting; of averaged trees at numbers that double."""
        drawn = np.sort(np.random.default_rng(seed).permutation(len(train[0]))[:most])
        n = len(self.steps)
        shown = range(1, n + 1) if self.boosts else sorted({n, *(2**i for i in range(n.bit_length()) if 2**i < n)})
        name = {"class": "accuracy", "labels": "mean_average_precision", "value": "rmse"}[self.target]
        curves = [self._scores(x, shown) for x in (train[0][drawn], validation[0])]
        found = []
        for i, step in enumerate(shown):
            loss, _ = self._judge(curves[0][i], train[1][drawn])
            held, score = self._judge(curves[1][i], validation[1])
            line: dict[str, Any] = {
                "step": int(step),
                "trees": int(self.steps[step - 1]),
                "loss": loss,
                "validation_loss": held,
            }
            found.append(line | {"validation_score": score, "score_name": name})
        return found

    def _scores(self, rows: np.ndarray, shown: Any) -> list[np.ndarray]:
        """Scores (n, K) float32 after each shown step."""
        leaves = self.trees.leaves(rows)
        wanted, found = set(shown), []
        raw = np.tile(self.trees.base, (len(rows), 1))
        first = 0
        for step, end in enumerate(self.steps.tolist(), start=1):
            for tree in range(first, end):
                raw += self.trees.value[leaves[:, tree]]
            first = end
            if step in wanted:
                # An average of the first trees, where each adds its share of the average of all.
                factor = 1.0 if self.boosts else len(self.steps) / step
                found.append(self.link.scores(raw * factor).astype(np.float32))
        return found

    def _judge(self, scores: np.ndarray, answers: np.ndarray) -> tuple[float, float | None]:
        judge: dict[str, Callable[..., tuple[float, float | None]]] = {
            "class": _judge_classes,
            "labels": _judge_labels,
            "value": _judge_values,
        }
        return judge[self.target](scores.astype(np.float64), answers)


def _judge_classes(scores: np.ndarray, answers: np.ndarray) -> tuple[float, float | None]:
    top = scores.max(axis=1, keepdims=True)
    log_p = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    loss = -np.maximum(log_p[np.arange(len(answers)), answers], np.log(CLIP)).mean()
    return float(loss), float((scores.argmax(axis=1) == answers).mean())


def _judge_labels(scores: np.ndarray, answers: np.ndarray) -> tuple[float, float | None]:
    from sklearn.metrics import average_precision_score

    known = np.isin(answers, (0, 1))
    signed = np.where(answers == 1, scores, -scores)
    loss = float(np.logaddexp(0, -signed)[known].mean())
    each = [
        average_precision_score(answers[known[:, k], k], scores[known[:, k], k])
        for k in range(scores.shape[1])
        if (answers[known[:, k], k] == 1).any()
    ]
    return loss, float(np.mean(each)) if each else None


def _judge_values(scores: np.ndarray, answers: np.ndarray) -> tuple[float, float | None]:
    squared = float(((scores[:, 0] - answers) ** 2).mean())
    return squared, float(np.sqrt(squared))
