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
from workbench.trees import Trees
from workbench.types import Feature, Question

Hide = Callable[[np.ndarray], dict[str, np.ndarray]]
Answer = Callable[[dict[str, np.ndarray]], np.ndarray]

# What a method can need beside scores, and the field of a probe that gives it.
OFFERS = {
    "gradient": "differentiable",
    "module": "module",
    "layer": "layer",
    "attention": "attention",
    "picture": "picture",
    "hierarchy": "hierarchy",
    "estimator": "estimator",
}


@dataclass(frozen=True)
class Differentiable:
    """The question as a function of continuous coordinates, for gradient methods.

    Attributes:
        slopes: (n, *shape) coordinates to the (n,) answers and their (n, *shape) gradients.
        point: (1, *shape) array: the example.
        baselines: (B, *shape) array: what stands for "nothing"; the answer with everything
            hidden is the mean over them.
        pool: function from (*shape) attributions to (M,) per feature; it sums, so
            completeness is kept.
        dense: function from (*shape) attributions to a map at the input's own resolution (a
            picture's (H, W)), or None.
        batch: rows of coordinates that are evaluated at once.
        filler: what `baselines` are, in words, where it is not the probe's own filler.
        weights: (B,) shares of the baselines that sum to 1; None: all alike.
        summed: axis of an (n, *shape) array along which neither `pool` nor `dense` tells entries
            apart, so that they may be summed beforehand; None: there is none.
        forward: the answers as a torch function of torch coordinates, where a torch module
            gives them.
        library: the package that gives the gradients.
    """

    slopes: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    point: np.ndarray
    baselines: np.ndarray
    pool: Callable[[np.ndarray], np.ndarray]
    dense: Callable[[np.ndarray], np.ndarray] | None = None
    batch: int = 64
    filler: str = ""
    weights: np.ndarray | None = None
    summed: int | None = None
    forward: Callable[[Any], Any] | None = None
    library: str = "torch"

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of (B, ...) values over the baselines."""
        return np.asarray(np.average(values, axis=0, weights=self.weights))

    @property
    def facts(self) -> dict[str, Any]:
        """What an explanation says of where its gradients and its baselines come from."""
        return {"gradients": self.library} | ({"filler": self.filler} if self.filler else {})


@dataclass(frozen=True)
class LayerMap:
    """A layer of a network on one example, with the gradient of the answer by it.

    Attributes:
        name: dotted name of the layer.
        kind: "map" (of a convolution) or "tokens" (of a transformer).
        activation: (C, rows, columns).
        slope: (C, rows, columns), the gradient.
    """

    name: str
    kind: str
    activation: np.ndarray
    slope: np.ndarray


@dataclass(frozen=True)
class Picture:
    """The picture behind the features, as the model sees it, for methods that work on pixels.

    Attributes:
        frame: (H, W, 3) uint8.
        pool: (H, W) map to (M,) segments; it sums.
        answer: (n, H, W) boolean masks (True keeps a pixel) to (n,) answers.
    """

    frame: np.ndarray
    pool: Callable[[np.ndarray], np.ndarray]
    answer: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Attention:
    """The attention of a transformer while it answers.

    Attributes:
        weights: (layers, heads, T, T); a row says what one token takes from all.
        read: (T,) shares of the last layer's tokens from which the answer is read; sums to 1.
        pool: (T,) values of tokens to (M,) features and, for pictures, an (H, W) map.
    """

    weights: np.ndarray
    read: np.ndarray
    pool: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Estimator:
    """The trees behind the answer, for methods that read them.

    Attributes:
        trees: T trees over F features with O outputs.
        point: (F,) features of the example, NaN where a value is missing.
        background: (B, F) features of the rows that stand for what is hidden.
        weights: (B,) shares of these rows that sum to 1; None: all alike.
        coefficients: (O,): the answer is `constant` plus the outputs times these.
        constant: of the answer.
        pool: (F,) values of the trees' features to (M,) features of the example; it sums.
    """

    trees: Trees
    point: np.ndarray
    background: np.ndarray
    weights: np.ndarray | None
    coefficients: np.ndarray
    constant: float
    pool: Callable[[np.ndarray], np.ndarray]


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
        weights: (`repeats`,) shares of the background rows that sum to 1; None: all alike.
        module: the torch module whose layers the continuous form runs through.
        layer: a layer's name (empty: the last with places on which the answer depends) to the
            layer on this example.
        attention: reads the attention of a transformer.
        picture: the pixels, where the example is a picture.
        hierarchy: (M - 1, 4) linkage matrix as scipy's: which features belong together.
        estimator: reads the trees that answer, where trees do and the question is what they add up to.
        model: a batch of model inputs to (rows, K) scores, where several questions and examples
            may share it; `answer` is then `read` of its scores.
        read: (rows, K) scores to the (rows,) answer; linear in the scores, as the mean over
            `repeats` is taken before it.
        lengths: masks to (n,) input lengths, where hiding features shortens the input.
        padding: value by input name that fills up the shorter of joined inputs; empty where all
            inputs are of one size. Only inputs of tokens are looked through for repetitions.
        compose: as `hide`, made where the model computes: tensors of that device, so that of an
            explanation only masks go there and only scores come back. None: `hide` is what there is.
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
    weights: np.ndarray | None = None
    module: Any = None
    layer: Callable[[str], LayerMap] | None = None
    attention: Callable[[], Attention] | None = None
    picture: Callable[[], Picture] | None = None
    hierarchy: Callable[[], np.ndarray] | None = None
    estimator: Callable[[], Estimator] | None = None
    model: Model | None = None
    read: Callable[[np.ndarray], np.ndarray] | None = None
    lengths: Callable[[np.ndarray], np.ndarray] | None = None
    padding: Mapping[str, Any] = field(default_factory=dict)
    compose: Callable[[np.ndarray], dict[str, Any]] | None = None

    @property
    def offers(self) -> frozenset[str]:
        """What an explainer may ask for: "score" always, the others of `OFFERS` where they are there."""
        return frozenset({"score", *(name for name, field in OFFERS.items() if getattr(self, field) is not None)})

    def score(self, masks: np.ndarray) -> np.ndarray:
        """The answer with only the kept features: (n, M) boolean masks to (n,) float64."""
        return self.answers(Asker().ask([(self, masks)])[0])

    def answers(self, scores: np.ndarray) -> np.ndarray:
        """The answer to this probe's question in (n, K) scores that an `Asker` brought: (n,) float64."""
        return np.asarray(scores[:, 0] if self.read is None else self.read(scores), dtype=np.float64)
