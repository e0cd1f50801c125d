"""Every sentence that a stage can write into a run has its translation: `stored.po` knows the words of each.

What runs hold is English, and the report retells it by the templates that made it (`workbench/language.py`). Here
the sentences are read from the code of the rooms that write them: whatever stands between two placeholders has to
stand in a message of a catalogue, so that nobody adds a sentence that readers of another language get in English.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import workbench
from workbench.language import ENGLISH, LANGUAGES, _catalogue, speaking, stored

ROOT = Path(workbench.__file__).resolve().parent
ROOMS = ("stages", "metrics", "quality", "data", "backbones", "tasks", "explainers", "modalities", "stats")
ALONE = ("probe", "bank", "coalitions", "kriging", "kernels", "trees", "metric_table", "places", "types")
# Three words of English, one after the other.
WORDS = re.compile(r"[A-Za-z][A-Za-z'’]+(?:[,;:.]? [A-Za-z][A-Za-z'’-]+){2,}")
PLACE = re.compile(r"\{[^{}]*\}|(?<=[.!?]) +(?=[A-Z“])")  # where data stands, or another sentence begins
# Calls whose words are for a terminal, for whoever reads a config, or patterns; errors end a command.
ELSEWHERE = re.compile(
    r"say|Field|warn|task|compile|search|match|sub|\w*Error|UnknownName|MissingDependency|MissingProgram"
)
# Modules that speak to a terminal or to whoever writes a config, or name operators of a file.
OTHERS = (
    *("stages/doctor.py", "stages/init.py", "stages/rerun.py", "data/single.py", "data/unlabelled.py"),
    *("data/tables.py", "backbones/onnx_file.py", "backbones/estimator_table.py", "backbones/saving.py"),
    *("backbones/own.py", "backbones/devices.py", "backbones/tabular_config.py", "backbones/onnx_session.py"),
    *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "backbones").glob("torch_*.py")),
    *("backbones/elementwise_gradients.py", "backbones/layer_gradients.py", "backbones/moving_gradients.py"),
    "backbones/convolution_gradients.py",
)
# Parts of errors and hints that are put together before they are raised, names of data, and patterns.
NOT_SAID = frozenset(
    {
        "; did you mean ",
        "did you mean ",
        "geometry and clusters",
        "body mass index",
        "average blood pressure",
        "total serum cholesterol",
        "log of serum triglycerides",
        "blood sugar level",
        "allowed: FOLDER/train/CLASS/*.jpg (and validation, test) or FOLDER/CLASS/*.jpg",
        " could be it",
        "none is called ",
        "no other column holds one",
        "has another role too",
        "The least populated class",
        "export it with its probabilities (scikit-learn: a classifier with predict_proba)",
        'give its folder or file: --preprocess "tokenizer=DIR"',
        "switched off; the providers are looked at after every batch",
        "Setting forward, backward hooks",
        "take fewer: columns by data.features or data.ignore, segments by explain.segments, a shorter text",
        "the input is empty; choose another example",
    }
)


def said_in(code: str) -> list[tuple[int, str]]:
    """Parts of the sentences of a module, each with its line; docstrings, errors and hints are none."""
    found: list[tuple[int, str]] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Assert):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
            return
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            words = name == "split" and isinstance(getattr(node.func, "value", None), ast.Constant)  # a list of words
            if words or ELSEWHERE.fullmatch(name):
                return
        if isinstance(node, ast.keyword) and node.arg == "hint":
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.extend((node.lineno, part) for part in PLACE.split(node.value))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(code))
    return [(line, part) for line, part in found if WORDS.search(part)]


@cache
def book(language: str) -> str:
    """Every message of a language's catalogues, one after the other."""
    known = [k for domain in ("stored", "workbench") for k in _catalogue(language, domain)._catalog]  # type: ignore[attr-defined]
    return "\n".join(k if isinstance(k, str) else k[0] for k in known).lower()


def untold(code: str, language: str) -> list[tuple[int, str]]:
    """What a module says that a catalogue does not know, whatever its capital and its full stop."""
    known = book(language)
    return [(n, part) for n, part in said_in(code) if part not in NOT_SAID and part.strip(" .").lower() not in known]


def modules() -> list[Path]:
    found = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [p for p in (*found, *(ROOT / f"{n}.py" for n in ALONE)) if p.relative_to(ROOT).as_posix() not in OTHERS]


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {ENGLISH}))
def test_every_sentence_of_a_stage_has_its_translation(language: str) -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {part!r}"
        for path in modules()
        for line, part in untold(path.read_text(encoding="utf-8"), language)
    ]
    assert not missing, "stored.po wants the sentences that hold these, with their translations:\n" + "\n".join(missing)


def test_what_is_left_out_is_there() -> None:
    """No exception outlives what it was made for."""
    assert [name for name in OTHERS if not (ROOT / name).is_file()] == []
    parts = {part for path in modules() for _, part in said_in(path.read_text(encoding="utf-8"))}
    assert NOT_SAID - parts == set()


def test_a_new_sentence_is_found_and_what_is_no_sentence_is_not() -> None:
    code = '''
"""A docstring of many words."""
def f(n, why):
    progress.say("words for the terminal alone")
    if n:
        raise DataError("an error of many words", hint=f"a hint of many words")
    return [f"Nobody ever wrote {n} this down before: {why}.", "no example to count", "two words", {"hint": 1}]
'''
    assert [part for _, part in said_in(code)] == [
        "Nobody ever wrote ",
        " this down before: ",
        "no example to count",
    ]
    assert [part for _, part in untold(code, "zh-CN")] == ["Nobody ever wrote ", " this down before: "]


@pytest.mark.parametrize(
    "sentence",
    [
        "Planted for a rehearsal (data.shortcut): half of the examples of every split, whatever their class, carry a "
        "square mark in the bottom-right corner.",
        "Passed: 3 of 5 rules hold, 2 could not be checked, which the policy allows.",
        "no example of the class malignant in this split",
        "It takes 61 % of the time of fp32 and passed every comparison with it.",
        "Its one number lies within 0 and 1 (its last operator is Sigmoid): the probability of the second class.",
        "Pixels are divided by 255, as was given.",
        "few examples (n = 7): the interval is wide; guessing would reach 0.512, the share of this class",
        "3 of 12 slices beyond it; the worst is age = 50 to 61: 0.31 (0.20 to 0.44, n 61)",
        "The two models give different reasons: their explanations lie further apart than repeating them does "
        "(SHAP and LIME). Whether training again would move them as far was not tested.",
        "the operators Loop, If are not among those that can be converted to torch",
    ],
)
def test_sentences_are_retold_whole(sentence: str) -> None:
    with speaking("zh-CN"):
        told = stored(sentence)
    assert re.search("[\u4e00-\u9fff]", told) and not WORDS.search(told.replace("age = 50 to 61", "")), told
