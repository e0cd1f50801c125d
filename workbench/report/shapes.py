"""The shapes that a section is made of: small frozen values, each with a template of its name.

A section says *what* is shown; `templates/<shape>.html` says how. No shape knows the
run, so each can be tested alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from workbench.report.excerpts import Neighbours, Struck


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its interval, placed on a scale from 0 to 1."""

    who: str  # "before", "after" or "deployed": the colour
    at: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    `kind` is "number" (right-aligned, tabular), "word", "none" (a value that was not
    computed; `text` says why), "code", "mark" (with a `level`), "prose" (what stands between
    backticks is code) or "dots" (a picture).
    """

    text: str = ""
    note: str = ""
    kind: str = "number"
    href: str = ""
    level: str = ""
    dots: tuple[Dot, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; the first cell of each row is its heading."""

    template: ClassVar[str] = "table.html"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    notes: dict[int, str] = field(default_factory=dict)  # a second line under a header, by its place
    compact: bool = False  # notes stand beside their values, not below
    faint: frozenset[int] = frozenset()  # rows that say little, by their place


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite spec, what it shows in words, and how high it stands (pixels)."""

    template: ClassVar[str] = "chart.html"
    spec: dict[str, Any]
    label: str
    caption: str
    height: int = 260
    square: bool = False  # as wide as it is high, where there is room


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a heatmap: what is printed, and its shade from -20 to 20."""

    text: str
    note: str = ""
    shade: int = 0
    hit: bool = False
    href: str = ""


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A labelled matrix of shaded cells, such as a confusion matrix."""

    template: ClassVar[str] = "heatmap.html"
    caption: str
    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    note: str = ""
    switch: str = ""  # a name: numbers and notes do not stand together, a switch of this name chooses


@dataclass(frozen=True, slots=True)
class Pair:
    """Blocks that stand side by side where there is room."""

    template: ClassVar[str] = "pair.html"
    blocks: tuple[Any, ...]
    narrow: bool = False  # small blocks: more than two beside each other


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks behind one line that names them; they open on demand and on paper."""

    template: ClassVar[str] = "fold.html"
    title: str
    blocks: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, the value in words, its length from -1 to 1 and an interval on the same scale."""

    label: str
    text: str
    value: float
    detail: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars on one scale; they grow from the middle, to the right where the value is positive."""

    template: ClassVar[str] = "bars.html"
    caption: str
    bars: tuple[Bar, ...]
    note: str = ""
    rest: tuple[Bar, ...] = ()  # behind the note, which names them


@dataclass(frozen=True, slots=True)
class Branch:
    """One area of a tree: its rule, a number in words, its bar from 0 to 1 and the areas in it."""

    label: str
    text: str
    value: float
    note: str = ""
    named: bool = False  # this area is the finding
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of areas as nested bars on one scale, with a line where all of them together stand."""

    template: ClassVar[str] = "tree.html"
    caption: str
    root: Branch
    line: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: a word with a shade (-20 to 20) and a value, or what lies between."""

    text: str
    shade: int = 0
    value: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as shaded words; the value shows on hover and on keyboard focus."""

    template: ClassVar[str] = "tokens.html"
    label: str
    pieces: tuple[Piece, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A transparent picture on a base picture that stands once in the page."""

    template: ClassVar[str] = "overlay.html"
    base: str  # id of the base picture, or a data: URI where it stands in this place alone
    source: str  # data: URI
    width: int
    height: int
    label: str
    note: str = ""
    pixelated: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs in plain words; `kind` is "", "note" or "warning"."""

    template: ClassVar[str] = "prose.html"
    paragraphs: tuple[str, ...]
    kind: str = ""
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, one below the other."""

    template: ClassVar[str] = "facts.html"
    facts: tuple[tuple[str, Cell], ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the first screen: `level` is "good", "fair", "poor" or "open" (not checked)."""

    level: str
    strong: str
    rest: str = ""
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """A list of findings, each with its light and where to read on."""

    template: ClassVar[str] = "findings.html"
    findings: tuple[Finding, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One method's answer for one model, or the reason why there is none."""

    who: str  # "before" or "after"
    block: Any
    facts: tuple[str, ...] = ()
    light: str = ""
    reasons: tuple[str, ...] = ()
    called: str = ""  # what a reader calls it, where that is not `who`


@dataclass(frozen=True, slots=True)
class Method:
    """One explainer in a case: before and after."""

    title: str
    caption: str
    panels: tuple[Panel, ...]
    card: Table | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One explained example."""

    template: ClassVar[str] = "opened.html"
    anchor: str
    id: str
    headline: str
    why: str
    level: str
    turn: str
    question: str
    scale: str
    ends: tuple[str, str]  # what the two colours say, the negative one first
    methods: tuple[Method, ...]
    answers: Table | None = None
    base: str = ""  # id of the base picture
    picture: str = ""  # data: URI of the base picture
    width: int = 0
    height: int = 0
    pixelated: bool = False
    notes: tuple[str, ...] = ()
    lights: tuple[tuple[str, str], ...] = ()  # (method, light) for the summary line
    agreement: Table | None = None
    hidden: str = ""  # what a hidden part is replaced by, where that is the same for every method
    agreed: str = ""  # the agreement in one sentence
    words: str = ""  # what it can be found by beside its id and answers
    more: tuple[Fold, ...] = ()  # what is said beside the methods: contrast, counterfactual, neighbours


class Shaped(Protocol):
    """A shape that another module defines: it names its template too."""

    template: ClassVar[str]


_Drawn = Chart | Heatmap | Bars | Tokens | Overlay | Neighbours | Struck | Tree
Block = Table | Pair | Fold | Prose | Facts | Findings | _Drawn | Shaped


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: one sentence of finding, blocks, and how it was computed."""

    id: str
    title: str
    finding: str
    blocks: tuple[Block, ...]
    how: tuple[str, ...] = ()
    failed: bool = False
    absent: str = ""  # why there is nothing to show
