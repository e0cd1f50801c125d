"""Asking: answers do not depend on how masks are batched, and no distinct input is asked twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from games import additive

from workbench.asking import Asker
from workbench.errors import ExplainError
from workbench.probe import Probe

Batch = dict[str, np.ndarray]


class Model:
    """Two scores of token rows: sum of the ids above the padding, and their number; remembers its batches."""

    def __init__(self, fits: int = 10**9, error: type[Exception] = MemoryError, text: str = "") -> None:
        self.fits, self.error, self.text = fits, error, text
        self.batches: list[np.ndarray] = []

    def outputs(self, batch: Batch) -> np.ndarray:
        if len(batch["ids"]) > self.fits:
            raise self.error(self.text)
        self.batches.append(batch["ids"])
        return np.stack([batch["ids"].sum(axis=1), (batch["ids"] > 0).sum(axis=1)], axis=1)


def sentence(model: Model, tokens: list[int], *, rows: int = 8, delete: bool = True) -> Probe:
    """A probe whose features are tokens that can be deleted (or set to 9)."""

    def hide(masks: np.ndarray) -> Batch:
        if not delete:
            return {"ids": np.where(masks, tokens, 9)}
        kept = [np.array(tokens)[m] for m in masks]
        longest = max(map(len, kept))
        return {"ids": np.array([np.pad(k, (0, longest - len(k))) for k in kept], dtype=np.int64)}

    more: dict[str, object] = {"lengths": lambda masks: masks.sum(axis=1)} if delete else {}
    probe = replace(additive(np.ones(len(tokens))), hide=hide, rows=rows, padding={"ids": 0}, **more)  # type: ignore[arg-type]
    return replace(
        probe, answer=lambda b: model.outputs(b)[:, 0], model=model.outputs, read=lambda scores: scores[:, 0]
    )


def some_masks(n: int, m: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, m)) < 0.5


def test_examples_of_one_model_share_batches_and_get_their_own_answers() -> None:
    model = Model()
    asked = [(sentence(model, t), some_masks(n, len(t), n)) for t, n in (([1, 2, 3], 3), ([4, 5], 2), ([6] * 7, 2))]
    answers = Asker().ask(asked)
    assert len(model.batches) == 1, "seven inputs fit one batch of eight"
    for (_probe, masks), tokens, found in zip(asked, ([1, 2, 3], [4, 5], [6] * 7), answers, strict=True):
        np.testing.assert_array_equal(found, np.stack([masks @ tokens, masks.sum(axis=1)], axis=1))


def test_an_input_that_comes_twice_is_asked_once() -> None:
    model, tokens = Model(), [5, 5, 5, 7]
    masks = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]], dtype=bool)
    asker = Asker()
    found = asker.ask([(sentence(model, tokens), masks)])[0]
    assert asker.evaluations == 2  # 5 7 and 5 5
    np.testing.assert_array_equal(found[:, 0], masks @ tokens)


def test_texts_are_asked_in_order_of_length() -> None:
    model = Model()
    probe = sentence(model, list(range(1, 13)), rows=16)
    masks = some_masks(64, 12)
    found = Asker().ask([(probe, masks)])[0]
    widths = [b.shape[1] for b in model.batches]
    assert widths == sorted(widths, reverse=True)
    assert sum(b.size for b in model.batches) < 0.9 * 64 * masks.sum(axis=1).max(), "sorting saves padding"
    np.testing.assert_array_equal(found[:, 0], masks @ np.arange(1, 13))


def test_a_long_text_among_short_ones_is_asked_in_the_batches_that_it_allows() -> None:
    model = Model()
    few, many = sentence(model, list(range(1, 13)), rows=4), sentence(model, [5, 6, 7], rows=16)
    asked = [(few, some_masks(24, 12)), (many, some_masks(7, 3, seed=1))]
    answers = Asker().ask(asked)
    assert all(len(b) <= 4 for b in model.batches if b.shape[1] > 3)
    for (_probe, masks), tokens, found in zip(asked, (np.arange(1, 13), [5, 6, 7]), answers, strict=True):
        np.testing.assert_array_equal(found[:, 0], masks @ tokens)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError, ""),
        (RuntimeError, "CUDA out of memory. Tried to allocate 2 GiB"),
        (ValueError, "Failed to allocate memory for requested buffer"),
    ],
)
def test_batches_are_halved_until_they_fit(error: type[Exception], text: str) -> None:
    model = Model(fits=3, error=error, text=text)
    masks = some_masks(8, 4)
    asker = Asker()
    probe = sentence(model, [1, 2, 3, 4], delete=False)
    tokens = np.where(masks, [1, 2, 3, 4], 9)
    np.testing.assert_array_equal(asker.ask([(probe, masks)])[0][:, 0], tokens.sum(axis=1))
    assert max(map(len, model.batches)) <= 3
    model.batches.clear()
    asker.ask([(probe, masks)])
    assert max(map(len, model.batches)) <= 3, "what fits is remembered"


def test_other_errors_are_not_taken_for_memory() -> None:
    model = Model(fits=1, error=RuntimeError, text="shapes do not match")
    with pytest.raises(RuntimeError, match="shapes do not match"):
        Asker().ask([(sentence(model, [1, 2, 3]), some_masks(8, 3))])


def test_one_input_too_large_is_named() -> None:
    with pytest.raises(ExplainError, match="does not fit into memory"):
        Asker().ask([(sentence(Model(fits=0), [1, 2, 3]), some_masks(4, 3))])


def test_a_limit_on_memory_halves_batches() -> None:
    model = Model()  # this process is larger than one byte
    Asker(max_memory=1).ask([(sentence(model, [1, 2, 3, 4], delete=False), some_masks(8, 4))])
    assert max(map(len, model.batches)) == 1


def test_repeats_are_averaged_and_no_mask_gives_no_answer() -> None:
    background = np.array([[0.0, 0.0], [10.0, 100.0]])
    probe = replace(
        additive(np.ones(2)),
        hide=lambda masks: {"x": np.where(masks[:, None], [[1.0, 2.0]], background[None]).reshape(-1, 2)},
        answer=lambda batch: batch["x"].sum(axis=1),
        repeats=2,
    )
    np.testing.assert_allclose(probe.score(np.array([[True, False], [False, False]])), [51.0, 55.0])
    assert len(probe.score(np.zeros((0, 2), dtype=bool))) == 0
