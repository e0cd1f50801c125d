"""The fixture `scipy-docs`: to which field does this piece of SciPy's documentation belong?

The texts are read from the docstrings of the installed SciPy, so they differ a little from
one version to the next; the notes of the data set name the version.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING

import numpy as np

from workbench.data.stratify import assign_splits
from workbench.errors import DataError
from workbench.types import Dataset, Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Label to modules. What is documented in two of them counts for the first.
FIELDS = {
    "statistics": ("stats", "stats.contingency", "stats.qmc", "stats.sampling"),
    "signal processing": ("signal", "signal.windows"),
    "linear algebra": ("linalg", "sparse.linalg"),
    "optimisation": ("optimize",),
    "special functions": ("special",),
    "image processing": ("ndimage",),
    "interpolation": ("interpolate",),
    "geometry and clusters": ("spatial", "spatial.distance", "spatial.transform", "cluster.hierarchy", "cluster.vq"),
}
MIN_WORDS, MAX_WORDS = 6, 60
SISTERS = 0.8  # texts that share so much of their words stay on one side of the split
BOILERPLATE = 4  # a sentence found in so many docstrings is about the library, not about the function

_MODULES = (
    r"(?:scipy|sp|numpy|np|cluster|constants|fft|fftpack|integrate|interpolate|io|linalg|ndimage|optimize|signal|"
    r"sparse|spatial|special|stats)"
)
# A path such as `scipy.signal.lfilter` is cut to its last name.
_PATH = re.compile(rf"~?\b{_MODULES}(?:\.\w+)*\.(\w+)")
# A sentence with one of these after that says where the function lives and is dropped. Plain
# English that a module is named after ("signal", "special", "optimize") is no such sign.
LEAK = re.compile(r"\b(?:scipy|ndimage|linalg|stats|mstats|qmc|fftpack|csgraph)\b", re.IGNORECASE)

_METHOD_TYPES = (FunctionType, property, classmethod, staticmethod)

_SECTION = re.compile(r"^[-=]{3,}\s*$")
_SIGNATURE = re.compile(r"[\w.]+\((?:.*\)(?:\s*->.*)?|[^)]*)")  # its further lines are indented: gone
_ABBREVIATIONS = "".join(rf"(?<!\b{a}\.)" for a in ("e\\.g", "i\\.e", "cf", "al", "vs", "Eq", "Fig", "resp", "etc"))
_SENTENCE_END = re.compile(rf"(?<=[.!?]){_ABBREVIATIONS}\s+")
# Sentences that send the reader elsewhere: to other sections, to a reference, to another function.
_POINTER = re.compile(r"^See\b|\bNotes\b|\b[Ss]ee below\b|\b(?:and|by|from|in|of|per|see|to|under)\s+\[[\w-]+\]_")
_FORMULA = re.compile(r"[\\{}$]|:math:")
_MARKUP = (
    (re.compile(r"\s*\(\[[\w-]+\]_[^)]*\)|(?:^|\s+)\[(?:[\w-]+\]_|[A-Z]+\d{4}\])"), ""),  # citations
    (re.compile(r":math:`([\w ,.()+\-*/=<>]+)`"), r"\1"),  # formulas that read as they stand
    (re.compile(r"``~?([^`]*)``"), r"\1"),  # code
    (re.compile(r"(?::[\w:]+:)?`~?([^`<]+?)(?:\s*<[^`]*>)?`_*"), r"\1"),  # roles, names and links
    (re.compile(r"(?<!\w)\*{1,2}([^*\s][^*]*)\*{1,2}(?!\w)"), r"\1"),  # emphasis
    (re.compile(r"`"), ""),  # one half of a code that holds a sentence's end
)


def scipy_docs(seed: int) -> Dataset:
    """Documentation of SciPy functions, to be routed to its field.

    Source: the docstrings of the installed SciPy (BSD 3-clause), summary and description.

    Raises:
        DataError: SciPy was loaded without docstrings (`python -OO`).
    """
    import scipy

    found = _texts()
    if not found:
        raise DataError("SciPy has no docstrings to read", hint="run Python without -OO")
    labels = tuple(FIELDS)
    texts = [cut(sentences) for _, sentences, _ in found.values()]
    targets = np.array([labels.index(label) for label, _, _ in found.values()])
    sisters = sister_groups(texts)
    firsts = np.unique(sisters, return_index=True)[1]  # a group is drawn as one, by its first text's class
    splits = np.array(assign_splits(targets[firsts], seed))[sisters]
    examples = tuple(
        Example(name, text, int(target), str(split), {"kind": kind})
        for (name, (_, _, kind)), text, target, split in zip(found.items(), texts, targets, splits, strict=True)
    )
    notes = (
        f"The texts are docstrings of the installed SciPy {scipy.__version__} (BSD 3-clause licence): summary and "
        "description of public functions, classes and their methods; the label is the part of SciPy they come from.",
        "Parameters, formulas, code, citations and references are left out, and a text is cut at a sentence's end "
        f"after at most {MAX_WORDS} words; texts under {MIN_WORDS} words and repeated texts are left out.",
        "Paths such as scipy.signal.lfilter are cut to their last name; sentences that still name SciPy or a module "
        "(stats, linalg, ndimage, ...) and sentences that stand in four or more docstrings are left out. A function's "
        'own name and plain words such as "signal" or "matrix" stay: they are what a reader would go by.',
        f"Sister functions whose texts share {SISTERS:.0%} of their words are on one side of the split. Looser "
        "relatives are not, so results may flatter the model on documentation of another library.",
    )
    return Dataset(
        "scipy-docs",
        "text",
        examples,
        labels,
        target="field",
        notes=notes,
        split_method=(
            "drawn at random within each class, sister functions together "
            "(about 65 % training, 15 % validation, 20 % test)"
        ),
    )


def sister_groups(texts: list[str]) -> NDArray[np.intp]:
    """Number the groups of texts that are linked by sharing most of their words.

    Two texts are linked where the words of both are at least `SISTERS` of the words of
    either (Jaccard index). Returns (n,) group numbers from 0.
    """
    from scipy.sparse.csgraph import connected_components

    words = [set(text.lower().split()) for text in texts]
    column = {word: i for i, word in enumerate(sorted(set().union(*words)))}
    has = np.zeros((len(texts), len(column)), dtype=np.float32)
    for row, own in enumerate(words):
        has[row, [column[word] for word in own]] = 1
    both = has @ has.T
    sizes = has.sum(axis=1)
    linked = both >= SISTERS * (sizes[:, None] + sizes[None, :] - both)
    groups: NDArray[np.intp] = connected_components(linked, directed=False)[1]
    return groups


def describe(docstring: str) -> list[str]:
    """The sentences of a docstring's summary and description, without markup.

    What stands after the first section header, in directives, literal blocks, lists and
    tables, and sentences that hold a formula or would give the label away (`LEAK`), is
    left out.
    """
    sentences: list[str] = []
    for paragraph in _paragraphs(docstring):
        if _SIGNATURE.fullmatch(paragraph) or re.match(r"[-*+|=>]|\d+[.)] ", paragraph):
            continue
        if not sentences and paragraph[-1] not in ".!?:":
            paragraph += "."  # a summary often goes without its full stop
        for sentence in _SENTENCE_END.split(paragraph):
            # What ends without a full stop led over to a formula or a list; what begins in
            # lower case came after one.
            if sentence.endswith((".", "!", "?")) and not (sentences and sentence[0].islower()):
                sentences.append("" if _POINTER.search(sentence) else _plain(sentence))
    return [s for s in sentences if re.search(r"\w", s) and not LEAK.search(s) and not _FORMULA.search(s)]


def _plain(sentence: str) -> str:
    """A sentence without markup and without paths; one space between words."""
    for pattern, replacement in _MARKUP:
        sentence = pattern.sub(replacement, sentence)
    return " ".join(_PATH.sub(r"\1", sentence).split())


def cut(sentences: list[str]) -> str:
    """Join whole sentences up to `MAX_WORDS` words; a longer first one is cut after a word."""
    words = sentences[0].split()[:MAX_WORDS]
    for sentence in sentences[1:]:
        if len(words) + len(sentence.split()) > MAX_WORDS:
            break
        words += sentence.split()
    return " ".join(words)


def _texts() -> dict[str, tuple[str, list[str], str]]:
    """Name to label, sentences and kind, in the order of `FIELDS` and of the names."""
    described: dict[str, tuple[str, list[str], str]] = {}
    seen: set[str] = set()
    for label, modules in FIELDS.items():
        for name, kind, docstring in _documented(modules):
            if docstring not in seen:  # an alias
                seen.add(docstring)
                described[name] = label, describe(docstring), kind
    times = Counter(
        masked for name, (_, sentences, _) in described.items() for masked in {_masked(s, name) for s in sentences}
    )
    kept: dict[str, tuple[str, list[str], str]] = {}
    texts: set[str] = set()
    for name, (label, sentences, kind) in described.items():
        own = [s for s in sentences if times[_masked(s, name)] < BOILERPLATE]
        text = cut(own).lower() if own else ""
        if len(text.split()) >= MIN_WORDS and text not in texts:
            texts.add(text)
            kept[name] = label, own, kind
    return kept


def _documented(modules: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Name, kind and docstring of the public functions, distributions, classes and their methods."""
    for name in modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of deprecated names, on access
            module = importlib.import_module(f"scipy.{name}")
            members = {n: getattr(module, n) for n in sorted(module.__all__)}
        for member, value in members.items():
            if not inspect.isclass(value):
                if callable(value):
                    kind = "distribution" if hasattr(value, "rvs") else "function"
                    yield f"{name}.{member}", kind, inspect.getdoc(value) or ""
            elif not issubclass(value, BaseException):
                yield f"{name}.{member}", "class", inspect.getdoc(value) or ""
                for method, attribute in sorted(vars(value).items()):
                    if not method.startswith("_") and isinstance(attribute, _METHOD_TYPES):
                        yield f"{name}.{member}.{method}", "method", inspect.getdoc(attribute) or ""


def _paragraphs(docstring: str) -> Iterator[str]:
    """The paragraphs before the first section header that are neither directive nor literal."""
    lines = docstring.splitlines()
    header = next((i for i, line in enumerate(lines) if i and _SECTION.match(line) and lines[i - 1].strip()), None)
    lines = lines if header is None else lines[: header - 1]
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line.startswith(".. "):
            if paragraph:
                yield " ".join(paragraph)
            paragraph = []
        elif line.strip() and not line[0].isspace():
            paragraph.append(line)
        elif paragraph:  # a blank line ends it, and an indented one is a directive's, a list's or code
            yield " ".join(paragraph)
            paragraph = []


def _masked(sentence: str, name: str) -> str:
    """A sentence without the last part of the name of what it tells of."""
    return re.sub(rf"\b{re.escape(name.rpartition('.')[2])}\b", "#", sentence).lower()
