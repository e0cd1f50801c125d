"""From a run directory to one self-contained HTML file.

The file asks nothing of anyone: its own Content-Security-Policy forbids all but what stands inside it.
Scripts and styles are allowed by their hash, so no text from data can ever run. Equal inputs give equal bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from workbench.assets import asset
from workbench.errors import StageError, WorkbenchError
from workbench.report import scale
from workbench.report.casebook import Casebook
from workbench.report.damage import damaged
from workbench.report.flips import most_explained
from workbench.report.gaps import SPOKEN_FOR
from workbench.report.limits import STEPS, Limits
from workbench.report.machine import write_for_machines
from workbench.report.redaction import RedactedView
from workbench.report.shapes import Chart, Finding, Findings, Fold, Pair, Prose, Section
from workbench.report.view import RunView
from workbench.report.words import clean, count, date, sentence
from workbench.run import Run, write_atomically

if TYPE_CHECKING:
    from workbench.report.sections import Entry

NAME, _FAILED = "report.html", "The part “{}” could not be built:"
_SCRIPTS = ("start", "page", "charts", "operating", "downloads", "casebook")


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
    brand: str = "Audit report",
    summary: tuple[str, ...] | None = None,
) -> str:
    """The page as text.

    Args:
        view: of the run.
        table: its sections, the first screen first; empty: those of a run's report.
        brand: what the page is.
        summary: its line of facts; None: what was trained on what.
    """
    sections = [_section(view, *entry) for entry in table or _sections()]
    first = _with_gaps(sections[0], sections)
    first = replace(first, blocks=(*(damaged(p) for p in (view.problems,) if p), *first.blocks))
    environment = _environment()
    charts = any(isinstance(b, Chart) for s in sections for b in _flat(s.blocks))
    bundle = vega_bundle() if charts else ""
    return page(
        environment,
        "page.html",
        script_hashes=(_hash(bundle),) if bundle else (),
        bundle=_bundle() if bundle else "",
        view=view,
        brand=brand,
        summary=_summary(view) if summary is None else summary,
        made=date(str(view.manifest.get("created") or "date not recorded")),
        verdict=first,
        sections=sections[1:],
        lean=_left_out(view),
    )


def _with_gaps(first: Section, sections: list[Section]) -> Section:
    """The first screen, on top of it what could not be built, in its register of gaps what is not there."""
    blocks = list(first.blocks)
    failed = [s for s in sections if s.failed]
    absent = tuple(Finding("open", f"{s.title}.", s.absent, f"#{s.id}", "details") for s in sections if s.absent)
    unsaid = tuple(line for line in absent if line.href[1:] not in SPOKEN_FOR)
    for i, block in enumerate(blocks):
        if isinstance(block, Findings) and block.heading and unsaid:
            blocks[i] = Findings((*unsaid, *block.findings), block.heading)
    if failed:
        lines = (Finding("poor", _FAILED.format(s.title), s.finding, f"#{s.id}", "details") for s in failed)
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
        return _broken(view, name, title, f"{type(e).__name__}: {e}", "this is a fault of the report, please report it")
    if section is None:
        return Section(name, title, f"Not part of this report: {empty}", (), absent=empty)
    return section


def _broken(view: RunView, name: str, title: str, reason: str, hint: str) -> Section:
    view.broken[title] = reason
    hints = (Prose((sentence(f"What helps: {hint}"),), "warning"),) if hint else ()
    return Section(name, title, sentence(reason), hints, failed=True)


def _summary(view: RunView) -> tuple[str, ...]:
    """Who was trained on what and judged on what, in a line of facts."""
    splits = view.fingerprint.get("splits", {})
    facts = [view.task.replace("-", " ").capitalize(), *(["inputs redacted"] if view.redacted else [])]
    if view.labels:
        facts.append(count(len(view.labels), *(("label",) if view.multilabel else ("class", "classes"))))
    backbone = (view.finetune.get("backbone") or {}).get("source") or view.config.get("backbone", {}).get("source")
    if view.audited:
        backbone = ""
        facts.append(f"{Path(view.config.get('audit', {}).get('model', '')).name}, made elsewhere")
    if backbone:
        verb = "trained" if backbone == "tabular" else "customised"
        backbone = "network for tables" if backbone == "tabular" else backbone
        trained = f" {verb} on {count(splits['train'], 'example')}" if splits.get("train") else ""
        facts.append(f"{Path(str(backbone)).name if Path(str(backbone)).is_absolute() else backbone}{trained}")
    if splits.get("test"):
        facts.append(f"judged on {splits['test']:,} {'examples' if view.audited else 'it never saw'}")
    return tuple(facts)


def _left_out(view: RunView) -> tuple[str, ...]:
    lean, full = view.limits, Limits()
    found = []
    if lean.picture < full.picture and view.modality == "image":
        found.append(f"pictures have at most {lean.picture} pixels a side")
    if not lean.dense and view.modality == "image":
        found.append("pixel-by-pixel maps are left out")
    if lean.flips < most_explained(view):
        found.append(f"of the answers that turned at most {lean.flips} of each kind open to their reasons")
    try:
        explained = len(view.cases)
    except WorkbenchError:  # the place of the cases says it
        explained = 0
    if lean.cases < explained:
        found.append(f"{lean.cases} of {explained} explained cases are shown")
    if lean.listed < full.listed:
        found.append(f"at most {lean.listed:,} predictions are listed")
    return tuple(found)


# -- rendering ------------------------------------------------------------------------


def page(environment: jinja2.Environment, template: str, script_hashes: tuple[str, ...] = (), **values: Any) -> str:
    """A whole page: its style, its script and the policy that allows these two alone."""
    style = environment.get_template("style.css").render(scale=scale, opacities=scale.opacities).strip()
    script = _script()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join([_hash(script), *script_hashes])}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return environment.get_template(template).render(
        style=Markup(style), script=Markup(script), policy=policy, **values
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; they are part of vl-convert."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(()=>{{{bundle}}})();"


@cache
def _script() -> str:
    """The page's own script: its parts in one function, so that they share what the first declares."""
    parts = "\n".join(asset("templates", "scripts", f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts.strip()}\n}})();'


def packed(text: str) -> str:
    """A text compressed, for a place in the page that a script reads."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def _bundle() -> str:
    return packed(vega_bundle())


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset("templates")),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = coded
    environment.filters["lower_first"] = lambda text: text[:1].lower() + text[1:]
    environment.globals["render"] = partial(_render_block, environment)
    environment.globals["packed"] = partial(_pack_cases, environment)
    return environment


def _pack_cases(environment: jinja2.Environment, book: Casebook) -> str:
    """The list and the markup of its cases, compressed; the page opens a case when it is asked for."""
    pages = [_render_block(environment, case) for case in book.cases]
    return packed(json.dumps({**book.data, "cases": pages}, ensure_ascii=False, separators=(",", ":")))


def _finalize(value: Any) -> Any:
    """Foreign text is cleaned on its way out; the templates escape it after that."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def coded(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code."""
    parts = clean(text).split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner is a backtick
        parts[-2:] = [f"{parts[-2]}`{parts[-1]}"]
    inside = (Markup("<code>{}</code>").format(part) if i % 2 else Markup.escape(part) for i, part in enumerate(parts))
    return Markup("").join(inside)


def environment() -> jinja2.Environment:
    """The template environment: escaping on, an undefined name is an error, controls are made visible."""
    return _environment()


def _render_block(environment: jinja2.Environment, block: Any) -> Markup:
    return Markup(environment.get_template(block.template).render(block=block))
