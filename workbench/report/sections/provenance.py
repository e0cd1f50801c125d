"""Where everything comes from: hashes, versions, seeds, and how to run it again."""

from __future__ import annotations

from workbench.report.shapes import Block, Cell, Facts, Fold, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, date, duration, interval_name, measure_name, word

OWN = ("report.html", "report.json", "model_card.md", "workbench.junit.xml")  # written with this page


def provenance(view: RunView) -> Section:
    """Identity of the run, its stages, the hash of every file and the packages."""
    manifest = view.manifest
    git = manifest.get("git")
    device = manifest.get("device") or {}
    identity = [
        ("Run", Cell(view.name, kind="code")),
        ("Made", word(date(str(manifest.get("created", "not recorded"))))),
        ("Seed", word(str(manifest.get("seed", "not recorded")))),
        ("Device", word(str(device.get("text") or ", ".join(f"{k} {v}" for k, v in device.items()) or "not recorded"))),
        ("Python", word(f"{manifest.get('python', 'not recorded')}", str(manifest.get("platform", "")))),
        ("Workbench's commit", _commit(git)),
        ("Hash of the config", Cell(str(manifest.get("config_sha256", "not recorded")), kind="code")),
        ("To run it again", Cell("workbench run config.toml", "config.toml stands beside this report", "code")),
        ("To check the files", Cell("workbench verify .", "compares every file with the hashes below", "code")),
    ]
    blocks: list[Block] = [Facts(tuple(identity))]
    stages = {k: v for k, v in (manifest.get("stages") or {}).items() if k != "report"}
    if stages:
        rows = tuple(
            (word(name), Cell(duration(float(entry.get("seconds", 0)))), Cell(f"{len(entry.get('outputs', [])):,}"))
            for name, entry in stages.items()
        )
        table = Table("Stages", ("Stage", "Time", "Files"), rows, compact=True)
        blocks.append(Fold(f"Time and files of {count(len(stages), 'stage')}", (table,)))
    signatures = _signatures(view)
    if signatures:
        table = Table("How each number was computed", ("Measure", "Interval", "Signature"), signatures)
        blocks.append(Fold("How each number was computed", (table,)))
    packages = manifest.get("packages") or {}
    if packages:
        versions = tuple((word(name), Cell(str(version), kind="code")) for name, version in sorted(packages.items()))
        blocks.append(
            Fold(
                f"Versions of {count(len(versions), 'package')}", (Table("Packages", ("Package", "Version"), versions),)
            )
        )
    files = {k: v for k, v in (manifest.get("files") or {}).items() if k not in OWN}
    if files:
        hashes = tuple((Cell(name, kind="code"), Cell(digest, kind="code")) for name, digest in files.items())
        blocks.append(Fold(f"Hashes of {count(len(files), 'file')}", (Table("Files", ("File", "SHA-256"), hashes),)))
    finding = f"{count(len(files), 'file')} with their hashes; the same config, data and seed give the same bytes."
    return Section("provenance", "Provenance", finding, tuple(blocks))


def _commit(git: dict[str, object] | None) -> Cell:
    if not git:
        return word("not from a checkout")
    note = "with changes that were not committed" if git.get("dirty") else ""
    return Cell(str(git.get("commit", "not recorded")), note, "code")


def _signatures(view: RunView) -> tuple[tuple[Cell, ...], ...]:
    if not view.shipped:
        return ()
    return tuple(
        (word(measure_name(m.name).title), word(interval_name(m.interval or "none")), Cell(m.signature, kind="code"))
        for m in view.measures(view.shipped).values()
    )
