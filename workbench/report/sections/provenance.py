"""Where everything comes from: hashes, versions, seeds, and how to run it again."""

from __future__ import annotations

from workbench.language import gettext as _
from workbench.language import stored
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
        (_("Run"), Cell(view.name, kind="code")),
        (_("Made"), word(date(str(manifest.get("created", _("not recorded")))))),
        (_("Seed"), word(str(manifest.get("seed", _("not recorded"))))),
        (
            _("Device"),
            word(stored(device.get("text") or ", ".join(f"{k} {v}" for k, v in device.items()) or _("not recorded"))),
        ),
        (_("Python"), word(f"{manifest.get('python', _('not recorded'))}", str(manifest.get("platform", "")))),
        (_("Workbench's commit"), _commit(git)),
        (_("Hash of the config"), Cell(str(manifest.get("config_sha256", _("not recorded"))), kind="code")),
        (_("To run it again"), Cell("workbench run config.toml", _("config.toml stands beside this report"), "code")),
        (_("Made again"), word(_again(view))),
        (_("To check the files"), Cell("workbench verify .", _("compares every file with the hashes below"), "code")),
    ]
    blocks: list[Block] = [Facts(tuple(identity))]
    stages = {k: v for k, v in (manifest.get("stages") or {}).items() if k != "report"}
    if stages:
        rows = tuple(
            (
                word(stored(name)),
                Cell(duration(float(entry.get("seconds", 0)))),
                Cell(f"{len(entry.get('outputs', [])):,}"),
            )
            for name, entry in stages.items()
        )
        table = Table(_("Stages"), (_("Stage"), _("Time"), _("Files")), rows, compact=True)
        blocks.append(
            Fold(_("Time and files of {n}").format(n=count(len(stages), "{n} stage", "{n} stages")), (table,))
        )
    signatures = _signatures(view)
    if signatures:
        table = Table(_("How each number was computed"), (_("Measure"), _("Interval"), _("Signature")), signatures)
        blocks.append(Fold(_("How each number was computed"), (table,)))
    packages = manifest.get("packages") or {}
    if packages:
        versions = tuple((word(name), Cell(str(version), kind="code")) for name, version in sorted(packages.items()))
        blocks.append(
            Fold(
                _("Versions of {n}").format(n=count(len(versions), "{n} package", "{n} packages")),
                (Table(_("Packages"), (_("Package"), _("Version")), versions),),
            )
        )
    files = {k: v for k, v in (manifest.get("files") or {}).items() if k not in OWN}
    if files:
        hashes = tuple((Cell(name, kind="code"), Cell(digest, kind="code")) for name, digest in files.items())
        blocks.append(
            Fold(
                _("Hashes of {n}").format(n=count(len(files), "{n} file", "{n} files")),
                (Table(_("Files"), (_("File"), "SHA-256"), hashes),),
            )
        )
    finding = _("{n} with their hashes.").format(n=count(len(files), "{n} file", "{n} files"))
    return Section("provenance", _("Provenance"), finding, tuple(blocks))


def _again(view: RunView) -> str:
    """What may be expected of a run that is made again, by where this one was made (docs/reliability.md)."""
    used = [str((view.manifest.get("device") or {}).get("torch", ""))]
    used += [str(name) for name in (view.json("onnx/providers.json") or {}).get("used", [])]
    if any(name.lower().startswith(("cuda", "tensorrt")) for name in used):
        return _(
            "A GPU adds up in an order of its own: the same config, data and seed give the same numbers but for their "
            "last digits."
        )
    return _(
        "The same config, data and seed give the same bytes on the same kind of processor. With another number of "
        "threads what torch's gradients touch may differ in its last digits."
    )


def _commit(git: dict[str, object] | None) -> Cell:
    if not git:
        return word(_("not from a checkout"))
    note = _("with changes that were not committed") if git.get("dirty") else ""
    return Cell(str(git.get("commit", _("not recorded"))), note, "code")


def _signatures(view: RunView) -> tuple[tuple[Cell, ...], ...]:
    if not view.shipped:
        return ()
    return tuple(
        (word(measure_name(m.name).title), word(interval_name(m.interval or "none")), Cell(m.signature, kind="code"))
        for m in view.measures(view.shipped).values()
    )
