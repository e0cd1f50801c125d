"""One page that leads to several reports: their task, their headline numbers, their findings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from workbench.errors import UsageError, WorkbenchError
from workbench.language import gettext as _
from workbench.language import stored
from workbench.report.build import NAME
from workbench.report.pages import environment, page
from workbench.report.sections.verdict import verdict
from workbench.report.seen import view_of
from workbench.report.shapes import Finding, Findings
from workbench.run import Run, write_atomically

_LEVELS = {"poor": 0, "fair": 1, "good": 2, "open": 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One report in the index; `href` is empty where the report was not built."""

    title: str
    name: str
    task: str
    href: str
    findings: Findings


def build_index(runs: list[Path], out: Path) -> Path:
    """Write an index page at `out` that links the reports of several runs; returns `out`.

    A run that cannot be read stands in the list with its reason. Links are relative, so the
    folder can be moved as a whole.

    Raises:
        UsageError: `runs` is empty.
    """
    if not runs:
        raise UsageError("no run was given for the index", hint="name the directories of one or more runs")
    entries = tuple(_entry(path, out.parent) for path in runs)
    write_atomically(out, page(environment(), "index.html", entries=entries).encode())
    return out


def _entry(path: Path, folder: Path) -> Entry:
    try:
        view = view_of(Run.open(path))
        findings = [f for block in verdict(view).blocks[:1] if isinstance(block, Findings) for f in block.findings]
        report = path / NAME
        href = quote(Path(os.path.relpath(report.resolve(), folder.resolve())).as_posix()) if report.is_file() else ""
        # the headlines and what is most urgent; the rest stands in the report
        rest = sorted(findings[2:], key=lambda f: _LEVELS[f.level])[:2]
        shown = tuple(Finding(f.level, f.strong, f.rest) for f in [*findings[:2], *rest])
        return Entry(view.title, view.name, stored(view.task.replace("-", " ")), href, Findings(shown))
    except WorkbenchError as e:
        broken = Findings((Finding("poor", _("This run cannot be read:"), f"{e.message}. {e.hint}"),))
        return Entry(path.name, path.name, "", "", broken)
