"""A whole page: the templates, the style, the script and the policy that allows these alone."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from functools import cache, partial
from typing import Any

import jinja2
from markupsafe import Markup

from workbench.assets import asset
from workbench.language import ENGLISH, gettext, language
from workbench.report import scale
from workbench.report.bundle import vega_bundle
from workbench.report.casebook import Casebook
from workbench.report.words import clean, count

_SCRIPTS = ("start", "page", "charts", "operating", "downloads", "casebook")
_OF_NAME = re.compile(r"[A-Z][A-Z0-9²]|(?:Brier|Hamming|Jaccard|Matthews)\b")
_OF_SCRIPT = re.compile(r'(?<![\w.])_\("([^"]+)"\)')  # messages of the scripts


def page(environment: jinja2.Environment, template: str, script_hashes: tuple[str, ...] = (), **values: Any) -> str:
    """A whole page: its style, its script and the policy that allows these two alone."""
    style = environment.get_template("style.css").render(scale=scale, opacities=scale.opacities).strip()
    script = _script()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join([hashed(script), *script_hashes])}",
            f"style-src {hashed(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return environment.get_template(template).render(
        style=Markup(style), script=Markup(script), policy=policy, retold=_retold(), **values
    )


def hashed(text: str) -> str:
    """How a policy names a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _script() -> str:
    """The page's own script: its parts in one function, so that they share what the first declares."""
    parts = "\n".join(asset("templates", "scripts", f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts.strip()}\n}})();'


def packed(text: str) -> str:
    """A text compressed, for a place in the page that a script reads."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def packed_bundle() -> str:
    """The bundle as it stands in the page."""
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
    environment.filters["lower_first"] = lower_first
    environment.globals |= {"_": _said, "said": _filled, "count": count, "language": language}
    environment.globals["render"] = partial(_render_block, environment)
    environment.globals["packed"] = partial(_pack_cases, environment)
    return environment


def lower_first(text: str) -> str:
    """A title inside of a sentence: without its capital, unless that is of a name or an abbreviation."""
    return text if _OF_NAME.match(text) else text[:1].lower() + text[1:]


def _pack_cases(environment: jinja2.Environment, book: Casebook) -> str:
    """The list and the markup of its cases, compressed; the page opens a case when it is asked for."""
    pages = [_render_block(environment, case) for case in book.cases]
    return packed(json.dumps({**book.data, "cases": pages}, ensure_ascii=False, separators=(",", ":")))


def _said(message: str) -> Markup:
    """A message of a template in the language that is spoken; messages are ours, so they may hold markup."""
    return Markup(gettext(message))


def _filled(message: Markup, **values: Any) -> Markup:
    """A message with what it names; values are foreign."""
    return message.format(**{name: _finalize(value) for name, value in values.items()})


def _retold() -> dict[str, str]:
    """What the page's script says, by its English; nothing in English."""
    if language() == ENGLISH:
        return {}
    return {message: gettext(message) for message in sorted(set(_OF_SCRIPT.findall(_script())))}


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
