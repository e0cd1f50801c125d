"""Commands about a finished run as a thing to keep: verify, seal, pack and unpack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.terminal import DeviceOption, JsonOption, QuietOption, RunArgument, answering, checked_device, print_json


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN|report.html", help="A run's directory, or a page in it.")],
    rerun: Annotated[int, typer.Option(min=0, help="Compute so many predictions and explanations again.")] = 0,
    sign: Annotated[Path | None, typer.Option(metavar="KEY", help="Sign it: PEM file of an Ed25519 key.")] = None,
    verify_key: Annotated[Path | None, typer.Option(metavar="KEY", help="Public key that must have signed it.")] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check every file of a run against the hash in its manifest, and seal and signature where there are."""
    with answering():
        from workbench.errors import GateFailed
        from workbench.verification import verify_run

        found = verify_run(run, rerun=rerun, sign_with=sign, verify_key=verify_key, device=checked_device(device),
                           quiet=quiet)  # fmt: skip
        problems = found["problems"]
        if as_json:
            print_json(found)
        if problems:
            more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
            what = "1 thing is" if len(problems) == 1 else f"{len(problems)} things are"
            raise GateFailed(
                f"{run}: {what} not as the manifest says: {'; '.join(problems[:5])}{more}",
                hint="run the config again to rebuild what is damaged",
            )
        if not as_json:
            print(*(f"{run}: {line}" for line in found["checked"]), sep="\n")


def seal(run: RunArgument, as_json: JsonOption = False) -> None:
    """Seal a verified run: every later command that would change it is refused."""
    with answering():
        from workbench import sealing
        from workbench.run import Run

        found = sealing.seal(Run.open(run))
        print_json({"run": str(run), **found}) if as_json else print(f"{run}: sealed; it can be read and copied")


def pack(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The archive; else beside the run.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run as one archive; the same run gives the same bytes."""
    with answering():
        from workbench import archive
        from workbench.run import Run, hash_file

        path = archive.pack(Run.open(run), out)
        print_json({"archive": str(path), "sha256": hash_file(path)}) if as_json else print(path)


def unpack(
    file: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="What `workbench pack` wrote.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="The run's directory.")] = None,
    max_gb: Annotated[float, typer.Option(help="Largest size once unpacked.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Bring a run back from an archive and verify it; nothing is written outside its folder."""
    with answering():
        from workbench import archive

        made = archive.unpack(file, out, max_gb=max_gb)
        print_json({"run": str(made.path)}) if as_json else print(made.path)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (verify, seal, pack, unpack):
        app.command()(command)
