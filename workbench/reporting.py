"""The report of a run or of a comparison: damage said first, its place in the manifest kept; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.config import read_resolved
from workbench.engines.progress import Progress
from workbench.language import ENGLISH, speaking
from workbench.run import CONFIG, Run, digest


def build_report(
    run: Run,
    *,
    max_mb: float | None = None,
    lang: str = "",
    redact: bool | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write `report.html` of a run, or `compare.html` of a comparison; damage said first; needs no torch.

    Args:
        run: what is reported.
        max_mb: largest size in megabytes; None: what the config says (a comparison: 3).
        lang: of the page, such as `zh-CN`; empty: what the config says (a comparison: as its page before).
        redact: keep raw inputs out of it; None: as the report before, else as the config says.
        progress: says what is done.
    """
    from workbench.report.build import build_report as build
    from workbench.report.damage import problems_of
    from workbench.report.machine import FILES

    if run.manifest.get("kind") == "comparison":
        return _build_comparison(run, max_mb, lang, redact, progress)
    config = read_resolved(run.path / CONFIG)
    problems, most = (
        problems_of(run, progress.say if progress else None),
        config.report.max_mb if max_mb is None else max_mb,
    )
    redact, lang = _redacted(run, redact, config.report.redact), lang or config.report.lang
    _remember(run, redact)
    with speaking(lang), run.stage("report", _of_page(run, lang), ("report.html", *FILES)) as entry:
        path: Path = build(run, title=config.report.title, max_mb=most, problems=problems, redact=redact)
        entry |= _facts(lang, redact)
    path.with_suffix(".pdf").unlink(missing_ok=True)  # printed from another page
    return path


def print_report(run: Run, page: Path) -> Path:
    """Print a page that was just written for a run as PDF beside it, through Chromium; the PDF's path.

    Raises:
        MissingProgram: there is no Chromium here.
        StageError: it fails.
    """
    from workbench.report.paper import print_page

    return print_page(page, page.with_suffix(".pdf"), made=str(run.manifest.get("created") or ""))


def last_language(run: Run) -> str:
    """The language in which a run's page was last written; empty where there is none."""
    return str(run.manifest["stages"].get("report", {}).get("lang", ""))


def reported(run: Run) -> tuple[str, bool]:
    """The language of a run's report, and whether it is redacted: as last written, else as the config says."""
    config = read_resolved(run.path / CONFIG).report
    return last_language(run) or config.lang, _redacted(run, None, config.redact)


def _redacted(run: Run, asked: bool | None, wanted: bool) -> bool:
    """Whether a page is redacted: as asked, else as when it was last asked for, else as the config says."""
    if asked is not None:
        return asked
    from workbench.report.seen import redacted

    return redacted(run) or wanted


def _remember(run: Run, redact: bool) -> None:
    """Keep in the manifest that pages are redacted: one that fails, or is stopped, must not make the next one plain."""
    manifest = run.manifest
    if bool(manifest.pop("redacted", False)) != redact:
        run.write_manifest({**manifest, **({"redacted": True} if redact else {})})


def _facts(lang: str, redact: bool) -> dict[str, Any]:
    """What the manifest says of a page beside its hash."""
    return {"lang": lang, **({"redacted": True} if redact else {})}


def _of_page(run: Run, lang: str) -> str:
    return digest([__version__, run.manifest["stages"], *([] if lang == ENGLISH else [lang])])


def _build_comparison(
    run: Run, max_mb: float | None, lang: str, redact: bool | None, progress: Progress | None
) -> Path:
    from workbench.report.compare import NAME, build_comparison
    from workbench.report.damage import problems_of

    problems = problems_of(run, progress.say if progress else None)
    redact, lang = _redacted(run, redact, False), lang or last_language(run) or ENGLISH
    _remember(run, redact)
    with speaking(lang), run.stage("report", _of_page(run, lang), (NAME,)) as entry:
        most = {} if max_mb is None else {"max_mb": max_mb}
        path: Path = build_comparison(run, problems=problems, redact=redact, **most)
        entry |= _facts(lang, redact)
    path.with_suffix(".pdf").unlink(missing_ok=True)
    return path
