"""From a run directory to one self-contained HTML file.

The file asks nothing of anyone: its own Content-Security-Policy forbids all but what stands inside it.
Scripts and styles are allowed by their hash, so no text from data can ever run. Equal inputs give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import StageError, WorkbenchError
from workbench.language import ENGLISH, speaking, stored
from workbench.language import gettext as _
from workbench.report.bundle import vega_bundle
from workbench.report.damage import damaged
from workbench.report.flips import most_explained
from workbench.report.gaps import SPOKEN_FOR
from workbench.report.limits import STEPS, Limits
from workbench.report.machine import write_for_machines
from workbench.report.pages import environment, hashed, packed_bundle, page
from workbench.report.performance import unseen
from workbench.report.redaction import RedactedView
from workbench.report.shapes import Chart, Finding, Findings, Fold, Pair, Prose, Section
from workbench.report.view import RunView
from workbench.report.words import count, date, sentence
from workbench.run import Run, write_atomically

if TYPE_CHECKING:
    from workbench.report.sections import Entry

NAME = "report.html"


def build_report(
    run: Run,
    *,
    title: str = "",
    max_mb: float = 3.0,
    name: str = NAME,
    draw: Callable[[RunView], str] | None = None,
    problems: tuple[str, ...] = (),
    redact: bool = False,
) -> Path:
    """Write `report.html` into a run's directory and return its path.

    Only the run's files are read (docs/artefacts.md). A section that cannot be built stands
    in its place with the reason, and on the first screen. Pictures, then cases, are left
    out until the file has at most `max_mb` megabytes; the report says which. `name` and `draw` (the page from a
    view) are for other pages. `problems` (`Run.verify`) are said first of all; `redact` keeps raw inputs out.

    Raises:
        ArtefactError: the run has no readable manifest.
        StageError: the report does not fit even without its cases, or cannot be written.
    """
    page, read = "", {}  # type: str, dict[str, Any]
    for limits in STEPS:
        view = (RedactedView if redact else RunView)(run, title=title, limits=limits, read=read)
        view.problems = problems
        page = (draw or render)(view)
        if len(page.encode()) <= max_mb * 1e6:
            break
    else:
        raise StageError(
            f"the report of {run.path} has {len(page.encode()) / 1e6:.1f} MB without any case, allowed are {max_mb:g}",
            hint=f"allow more: workbench report {run.path} --max-mb 5",
        )
    path = run.path / name
    write_atomically(path, page.encode())
    if name == NAME:
        with speaking(ENGLISH):  # what programs read is the same in every language
            write_for_machines(view)
    return path


def _sections() -> Sequence[Entry]:
    """Imported when they are drawn: the page of one prediction needs none of them, nor what they import."""
    from workbench.report.sections import SECTIONS

    return SECTIONS


def render(
    view: RunView,
    table: Sequence[Entry] = (),
    *,
    brand: str = "",
    summary: tuple[str, ...] | None = None,
) -> str:
    """The page as text.

    Args:
        view: of the run.
        table: its sections, the first screen first; empty: those of a run's report.
        brand: what the page is; empty: a report.
        summary: its line of facts; None: what was trained on what.
    """
    with ThreadPoolExecutor(2) as beside:
        if not table:  # while the sections are imported: what most of them read, and the script of their charts
            beside.submit(packed_bundle)
            reading = beside.submit(_read_ahead, view)
            table = _sections()
            wait([reading])
        sections = [_section(view, *entry) for entry in table]
    first = _with_gaps(sections[0], sections)
    first = replace(first, blocks=(*(damaged(p) for p in (view.problems,) if p), *first.blocks))

    charts = any(isinstance(b, Chart) for s in sections for b in _flat(s.blocks))
    bundle = vega_bundle() if charts else ""
    return page(
        environment(),
        "page.html",
        script_hashes=(hashed(bundle),) if bundle else (),
        bundle=packed_bundle() if bundle else "",
        view=view,
        brand=brand or _("Audit report"),
        summary=_summary(view) if summary is None else summary,
        made=date(str(view.manifest.get("created") or _("date not recorded"))),
        verdict=first,
        sections=sections[1:],
        lean=_left_out(view),
    )


def _read_ahead(view: RunView) -> None:
    """The predictions that the report draws; what cannot be read is said in the places that need it."""
    with suppress(WorkbenchError):
        for model in dict.fromkeys(("base", view.shipped)):
            view.predictions(model, "test")


def _with_gaps(first: Section, sections: list[Section]) -> Section:
    """The first screen, on top of it what could not be built, in its register of gaps what is not there."""
    blocks = list(first.blocks)
    failed = [s for s in sections if s.failed]
    absent = tuple(
        Finding("open", f"{s.title}{_('.')}", s.absent, f"#{s.id}", _("details")) for s in sections if s.absent
    )
    unsaid = tuple(line for line in absent if line.href[1:] not in SPOKEN_FOR)
    for i, block in enumerate(blocks):
        if isinstance(block, Findings) and block.heading and unsaid:
            blocks[i] = Findings((*unsaid, *block.findings), block.heading)
    if failed:
        said = _("The part “{title}” could not be built:")
        lines = (Finding("poor", said.format(title=s.title), s.finding, f"#{s.id}", _("details")) for s in failed)
        blocks.insert(0, Findings(tuple(lines)))
    return replace(first, blocks=tuple(blocks))


def _flat(blocks: tuple[Any, ...]) -> list[Any]:
    return [inner for b in blocks for inner in (_flat(b.blocks) if isinstance(b, Pair | Fold) else [b])]


def _section(view: RunView, name: str, title: str, build: Callable[[RunView], Section | None], empty: str) -> Section:
    """One section; where it has nothing to show or fails, its place says why."""
    try:
        section = build(view)
    except WorkbenchError as e:
        return _broken(view, name, title, e.message, e.hint)
    except Exception as e:  # a bug in one section must not cost the others: it is printed in its place
        return _broken(
            view, name, title, f"{type(e).__name__}: {e}", _("this is a fault of the report, please report it")
        )
    if section is None:
        why = _(empty)
        return Section(name, _(title), _("Not part of this report: {why}").format(why=why), (), absent=why)
    return section


def _broken(view: RunView, name: str, title: str, reason: str, hint: str) -> Section:
    view.broken[title] = reason
    hints = (Prose((sentence(_("What helps: {hint}").format(hint=hint)),), "warning"),) if hint else ()
    return Section(name, _(title), sentence(reason), hints, failed=True)


def _summary(view: RunView) -> tuple[str, ...]:
    """Who was trained on what and judged on what, in a line of facts."""
    splits = view.fingerprint.get("splits", {})
    facts = [stored(view.task.replace("-", " ").capitalize()), *([_("inputs redacted")] if view.redacted else [])]
    if view.labels:
        n = len(view.labels)
        facts.append(count(n, "{n} label", "{n} labels") if view.multilabel else count(n, "{n} class", "{n} classes"))
    backbone = (view.finetune.get("backbone") or {}).get("source") or view.config.get("backbone", {}).get("source")
    if view.audited:
        backbone = ""
        facts.append(_("{name}, made elsewhere").format(name=Path(view.config.get("audit", {}).get("model", "")).name))
    if backbone:
        said = _("{backbone} trained on {n}") if backbone == "tabular" else _("{backbone} customised on {n}")
        backbone = _("network for tables") if backbone == "tabular" else str(backbone)
        trained = count(splits.get("train") or 0, "{n} example", "{n} examples")
        named = Path(backbone).name if Path(backbone).is_absolute() else backbone
        facts.append((said if splits.get("train") else "{backbone}").format(backbone=named, n=trained))
    if splits.get("test"):
        said = _("judged on {n:,} it never saw") if unseen(view) else _("judged on {n:,} examples")
        facts.append(said.format(n=splits["test"]))
    return tuple(facts)


def _left_out(view: RunView) -> tuple[str, ...]:
    lean, full = view.limits, Limits()
    found = []
    if lean.picture < full.picture and view.modality == "image":
        found.append(_("pictures have at most {picture} pixels a side").format(picture=lean.picture))
    if not lean.dense and view.modality == "image":
        found.append(_("pixel-by-pixel maps are left out"))
    if lean.flips < most_explained(view):
        found.append(
            _("of the answers that turned at most {flips} of each kind open to their reasons").format(flips=lean.flips)
        )
    try:
        explained = len(view.cases)
    except WorkbenchError:  # the place of the cases says it
        explained = 0
    if lean.cases < explained:
        found.append(
            _("{cases} of {explained} explained cases are shown").format(cases=lean.cases, explained=explained)
        )
    if lean.listed < full.listed:
        found.append(_("at most {listed:,} predictions are listed").format(listed=lean.listed))
    return tuple(found)
