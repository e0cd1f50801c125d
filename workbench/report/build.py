"""From a run directory to one self-contained HTML file.

The file asks nothing of anyone: styles, scripts, charts and pictures stand inside it, and
its own Content-Security-Policy forbids everything else. Scripts and styles are allowed by
their hash, so no text from data can ever run. Equal inputs give equal bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from workbench.assets import asset
from workbench.errors import StageError, WorkbenchError
from workbench.report.answers import Limits
from workbench.report.machine import write_for_machines
from workbench.report.shapes import Chart, Finding, Findings, Fold, Pair, Prose, Section
from workbench.report.view import RunView
from workbench.report.words import clean, count, date, sentence
from workbench.run import Run, write_atomically

if TYPE_CHECKING:
    from workbench.report.sections import Entry

NAME = "report.html"
# What is left out, step by step, until the file fits.
_STEPS = (
    Limits(),
    Limits(picture=160),
    Limits(picture=128, dense=False),
    Limits(picture=96, dense=False),
    Limits(picture=96, dense=False, cases=12),
    Limits(picture=64, dense=False, cases=6),
    Limits(picture=64, dense=False, cases=2),
    Limits(picture=64, dense=False, cases=0),
)


def build_report(
    run: Run,
    *,
    title: str = "",
    max_mb: float = 3.0,
    name: str = NAME,
    draw: Callable[[RunView], str] | None = None,
) -> Path:
    """Write `report.html` into a run's directory and return its path.

    Only the run's files are read (docs/artefacts.md). A section that cannot be built stands
    in its place with the reason, and on the first screen. Pictures, then cases, are left
    out until the file has at most `max_mb` megabytes; the report says which. `name` and `draw`
    (the page from a view) are for other pages than a run's own report.

    Raises:
        ArtefactError: the run has no readable manifest.
        StageError: the report does not fit even without its cases, or cannot be written.
    """
    run.manifest  # noqa: B018 - a directory without a manifest is no run
    page = ""
    for limits in _STEPS:
        view = RunView(run, title=title, limits=limits)
        page = (draw or render)(view)
        if len(page.encode()) <= max_mb * 1e6:
            break
    else:
        raise StageError(
            f"the report of {run.path} has {len(page.encode()) / 1e6:.1f} MB without any case, allowed are {max_mb:g}",
            hint="allow more with --set report.max_mb=5",
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
    first, failed = sections[0], [s for s in sections if s.failed]
    if failed:
        broken = Findings(
            tuple(
                Finding("poor", f"The part “{s.title}” could not be built:", s.finding, f"#{s.id}", "details")
                for s in failed
            )
        )
        first = Section(first.id, first.title, first.finding, (broken, *first.blocks), first.how)
    environment = _environment()
    charts = any(isinstance(b, Chart) for s in sections for b in _flat(s.blocks))
    bundle = vega_bundle() if charts else ""
    return page(
        environment,
        "page.html",
        script_hashes=(_hash(bundle),) if bundle else (),
        bundle=_packed() if bundle else "",
        view=view,
        brand=brand,
        summary=_summary(view) if summary is None else summary,
        made=date(str(view.manifest.get("created") or "date not recorded")),
        verdict=first,
        sections=sections[1:],
        lean=_left_out(view),
    )


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
        return Section(name, title, f"Not part of this report: {empty}", ())
    return section


def _broken(view: RunView, name: str, title: str, reason: str, hint: str) -> Section:
    view.broken[title] = reason
    hints = (Prose((sentence(f"What helps: {hint}"),), "warning"),) if hint else ()
    return Section(name, title, sentence(reason), hints, failed=True)


def _summary(view: RunView) -> tuple[str, ...]:
    """Who was trained on what and judged on what, in a line of facts."""
    splits = view.fingerprint.get("splits", {})
    facts = [view.task.replace("-", " ").capitalize()]
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
        known = "examples" if view.audited else "it never saw"
        facts.append(f"judged on {splits['test']:,} {known}")
    return tuple(facts)


def _left_out(view: RunView) -> tuple[str, ...]:
    lean, full = view.limits, Limits()
    found = []
    if lean.picture < full.picture and view.modality == "image":
        found.append(f"pictures have at most {lean.picture} pixels a side")
    if not lean.dense and view.modality == "image":
        found.append("pixel-by-pixel maps are left out")
    if lean.cases is not None and lean.cases < len(view.cases):
        found.append(f"{lean.cases} of {len(view.cases)} cases are shown")
    return tuple(found)


# -- rendering ------------------------------------------------------------------------


def page(environment: jinja2.Environment, template: str, script_hashes: tuple[str, ...] = (), **values: Any) -> str:
    """A whole page: its style, its script and the policy that allows these two alone."""
    style = environment.get_template("style.css").render().strip()
    script = asset("templates", "page.js").read_text(encoding="utf-8").strip()
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
def _packed() -> str:
    return base64.b64encode(gzip.compress(vega_bundle().encode(), 9, mtime=0)).decode()


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
    return environment


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
