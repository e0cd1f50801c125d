"""The probe: one question about one example put to one backbone; all that an explainer sees.

An explainer never sees a task, a tokenizer or a picture. It sees M features that can be
hidden, the answer for any set of them, and, where the backbone has gradients, a function
of continuous coordinates with the way back from coordinates to features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.asking import Asker, Model
from workbench.types import Feature, Question

Hide = Callable[[np.ndarray], dict[str, np.ndarray]]
Answer = Callable[[dict[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Differentiable:
    """The question as a function of continuous coordinates, for gradient methods.

    Attributes:
        forward: torch function from (n, *shape) coordinates to the (n,) answer.
        point: (1, *shape) torch tensor: the example.
        baselines: (B, *shape) torch tensor: what stands for "nothing"; the answer with
            everything hidden is the mean of `forward` over them.
        pool: numpy function from (*shape) attributions to (M,) per feature; it sums, so
            completeness is kept.
        dense: numpy function from (*shape) attributions to a map at the input's own
            resolution (a picture's (H, W)), or None.
        batch: rows of coordinates that are evaluated at once.
        filler: what `baselines` are, in words, where it is not the probe's own filler.
    """

    forward: Callable[[Any], Any]
    point: Any
    baselines: Any
    pool: Callable[[np.ndarray], np.ndarray]
    dense: Callable[[np.ndarray], np.ndarray] | None = None
    batch: int = 64
    filler: str = ""


@dataclass(frozen=True)
class Probe:
    """A question bound to one example and one backbone.

    Attributes:
        question: which scalar is asked.
        example_id: of which example.
        features: the M things that can be hidden.
        hide: (n, M) boolean masks (True keeps a feature) to a batch of n * `repeats` model
            inputs, the repeats of one mask next to each other.
        answer: a batch of model inputs to (rows,) answers in the question's unit.
        filler: what stands for a hidden feature, in words for a caption.
        repeats: background rows per mask; the answer of a mask is their mean.
        rows: model inputs that are built at once, so that memory does not grow with the masks.
        differentiable: builds the continuous form, where the backbone has gradients.
        model: a batch of model inputs to (rows, K) scores, where several questions and examples
            may share it; `answer` is then `read` of its scores.
        read: (rows, K) scores to the (rows,) answer; linear in the scores, as the mean over
            `repeats` is taken before it.
        lengths: masks to (n,) input lengths, where hiding features shortens the input.
        padding: value by input name that fills up the shorter of joined inputs; empty where all
            inputs are of one size. Only inputs of tokens are looked through for repetitions.
    """

    question: Question
    example_id: str
    features: tuple[Feature, ...]
    hide: Hide
    answer: Answer
    filler: str
    repeats: int = 1
    rows: int = 256
    differentiable: Callable[[], Differentiable] | None = None
    model: Model | None = None
    read: Callable[[np.ndarray], np.ndarray] | None = None
    lengths: Callable[[np.ndarray], np.ndarray] | None = None
    padding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def offers(self) -> frozenset[str]:
        """What an explainer may ask for: "score" always, "gradient" where there is one."""
        return frozenset({"score"} | ({"gradient"} if self.differentiable else set()))

    def score(self, masks: np.ndarray) -> np.ndarray:
        """The answer with only the kept features: (n, M) boolean masks to (n,) float64."""
        return self.answers(Asker().ask([(self, masks)])[0])

    def answers(self, scores: np.ndarray) -> np.ndarray:
        """The answer to this probe's question in (n, K) scores that an `Asker` brought: (n,) float64."""
        return np.asarray(scores[:, 0] if self.read is None else self.read(scores), dtype=np.float64)
