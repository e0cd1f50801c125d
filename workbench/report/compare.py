"""The page of a comparison of two runs: `compare.html`, made of the sections of a run's own report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.language import N_, ngettext, stored
from workbench.language import gettext as _
from workbench.report.build import build_report, render
from workbench.report.redaction import NOTE
from workbench.report.sections import Entry
from workbench.report.sections.cases import cases
from workbench.report.sections.change import change
from workbench.report.sections.shift import ID, TITLE, reasons, shift
from workbench.report.shapes import Block, Cell, Facts, Finding, Findings, Fold, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import clean, count, sentence, word
from workbench.run import Run

NAME = "compare.html"
_BRAND = N_("Comparison")


def build_comparison(run: Run, *, max_mb: float = 3.0, problems: tuple[str, ...] = (), redact: bool = False) -> Path:
    """Write `compare.html` into a comparison's folder and return its path; the options are `build_report`'s.

    Raises:
        ArtefactError: the folder has no readable manifest.
        StageError: the page does not fit even without its cases, or cannot be written.
    """
    how: dict[str, Any] = {"problems": problems, "redact": redact}
    return build_report(run, title=title(run.manifest), max_mb=max_mb, name=NAME, draw=_page, **how)


def title(manifest: dict[str, Any]) -> str:
    """The heading of the page: which runs are compared."""
    runs = manifest.get("runs") or {}
    before, after = (str((runs.get(side) or {}).get("name", side)) for side in ("base", "after"))
    return _("From {before} to {after}: what changed?").format(before=before, after=after)


def _page(view: RunView) -> str:
    facts = [stored(view.task.replace("-", " ").capitalize()), _("the deployed models of two runs")]
    facts += [_("inputs redacted")] if view.redacted else []
    n = (view.fingerprint.get("splits") or {}).get("test")
    if n:
        facts.append(_("on the same {n}").format(n=count(n, "{n} example", "{n} examples")))
    return render(view, SECTIONS, brand=_(_BRAND), summary=tuple(facts))


def _verdict(view: RunView) -> Section:
    """Better or worse, not worse than declared, what was lost, and whether for other reasons."""
    lines = [*_accuracy(view), *_margin(view), *_lost(view), *reasons(view)]
    if not view.json("explanation_shift.json"):
        why = str((view.comparison.get("shift") or {}).get("sentence", ""))
        lines.append(Finding("open", _("Whether its reasons changed is not known:"), sentence(why)))
    notes = [
        Finding("fair", _("Left out or uneven:"), sentence(str(note))) for note in view.comparison.get("notes", [])
    ]
    return Section("verdict", _("Verdict"), "", (Findings((*lines, *notes)),))


def _accuracy(view: RunView) -> list[Finding]:
    comparison = view.comparison
    text = str(comparison.get("verdict", ""))
    if not text:
        return []
    errors = [m for m in comparison.get("measures", []) if m["name"] == "rmse"]
    entry: dict[str, Any] = comparison.get("accuracy") or (errors[0] if errors else {})
    sign = -1 if entry.get("better") == "lower" else 1
    low, high = (None if entry.get(end) is None else sign * entry[end] for end in ("low", "high"))
    level = "fair"
    if low is not None and high is not None and not text.startswith("Not certain"):
        level = "good" if min(low, high) > 0 else "poor" if max(low, high) < 0 else "fair"
    strong, rest = _halves(text)
    return [Finding(level, strong, rest, "#change", _("what changed"))]


def _halves(text: str) -> tuple[str, str]:
    """A sentence of the comparison, what stands before its colon apart; each half is retold alone."""
    strong, colon, rest = text.partition(": ")
    return stored(f"{strong}{colon.rstrip()}"), stored(rest)


def _margin(view: RunView) -> list[Finding]:
    tested = (view.comparison.get("margin") or {}).get("noninferiority")
    if not tested:
        return []
    level = "good" if tested["passed"] else "fair"
    strong, rest = _halves(str(tested["sentence"]))
    return [Finding(level, strong, rest, "#change", _("the test"))]


def _lost(view: RunView) -> list[Finding]:
    flips = view.comparison.get("flips")
    if not flips or flips.get("nfr") is None:
        return []
    lost, won = len(flips["negative"]), len(flips["positive"])
    rest = ngettext(
        "of {n}; {won} that were wrong is now right.", "of {n}; {won} that were wrong are now right.", won
    ).format(n=f"{view.comparison['n']:,}", won=f"{won:,}")
    level = "fair" if lost else "good"
    return [
        Finding(
            level,
            count(lost, "{n} right answer is now wrong", "{n} right answers are now wrong"),
            rest,
            "#change",
            _("see them"),
        )
    ]


def _sides(view: RunView) -> Section:
    """What exactly was compared: hashes of the models, their predictions, configs and data."""
    comparison, runs = view.comparison, view.manifest.get("runs") or {}
    blocks: list[Block] = [Prose((stored(NOTE),), "note")] if view.redacted else []
    sides = comparison.get("sides") or {}
    for who, side in sides.items():
        of = runs.get({"before": "base"}.get(who, who)) or {}
        facts = [
            (_("Run"), word(str(side.get("run")), "" if view.redacted else clean(str(of.get("path", ""))))),
            (_("Seed"), word(str(side.get("seed")))),
        ]
        facts += [(name, Cell(str(sha), kind="code")) for name, sha in side.get("files", {}).items()]
        facts.append((_("Data"), Cell(str(side.get("data_sha256") or _("not recorded")), kind="code")))
        facts.append((_("Config"), Cell(str(of.get("config_sha256") or _("not recorded")), kind="code")))
        blocks.append(Facts(tuple(facts), _(who).capitalize()))
    nulls = comparison.get("nulls") or []
    if nulls:
        rows = tuple(
            (
                word(str(n.get("run"))),
                Cell(str(n.get("seed"))),
                Cell(str(n["files"].get("onnx/model.onnx")), kind="code"),
            )
            for n in nulls
        )
        blocks.append(
            Table(_("Retrained twins: what another seed alone changes"), (_("Run"), "seed", _("model, SHA-256")), rows)
        )
    files = {k: v for k, v in (view.manifest.get("files") or {}).items() if k != NAME}
    hashes = tuple((Cell(name, kind="code"), Cell(sha, kind="code")) for name, sha in files.items())
    blocks.append(
        Fold(
            _("Hashes of {n}").format(n=count(len(files), "{n} file", "{n} files")),
            (Table(_("Files"), (_("File"), "SHA-256"), hashes),),
        )
    )
    same = len({side.get("data_sha256") for side in sides.values()}) == 1
    finding = (
        _("Both runs hold the same data.")
        if same
        else _("The two runs hold different data: only what both hold was compared.")
    )
    return Section("sides", _("What was compared"), finding, tuple(blocks))


SECTIONS: tuple[Entry, ...] = (
    ("verdict", N_("Verdict"), _verdict, ""),
    ("change", N_("Before and after"), change, N_("The predictions were not compared (no comparison.json).")),
    (ID, TITLE, shift, N_("The explanations were not compared (no explanation_shift.json).")),
    ("cases", N_("Cases"), cases, N_("No example was explained under both models (no cases.json).")),
    ("sides", N_("What was compared"), _sides, ""),
)
