"""Verify: what a run's files are against what its manifest, seal, signature and models say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench import sealing
from workbench.engines.progress import Progress
from workbench.errors import ArtefactError
from workbench.report.numbers import NAME as NUMBERS
from workbench.report.numbers import check_numbers
from workbench.run import ABOUT, SIGNATURE, Run


def verify_run(
    path: str | Path,
    *,
    rerun: int = 0,
    sign_with: str | Path | None = None,
    verify_key: str | Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> dict[str, Any]:
    """Check a run, or the run that a page belongs to.

    Args:
        path: the run's directory, or `report.html` in it.
        rerun: how many predictions and explanations are computed again and compared.
        sign_with: PEM file of the Ed25519 key that signs the manifest, once all is well.
        verify_key: PEM file of the public key that must have signed it.

    Returns:
        `run`, `problems` [sentence], `checked` [sentence: what was found in order].

    Raises:
        ArtefactError: there is no run at `path`, or no page of one.
    """
    run = _run_of(Path(path))
    problems = run.verify() + sealing.check(run, None if verify_key is None else Path(verify_key))
    problems += [] if problems else check_numbers(run)
    checked = [] if problems else ["every file is what the manifest says"]
    if run.has(NUMBERS) and not problems:
        checked.append(f"every number of {NUMBERS} is what the file at its address holds")
    if rerun and not problems:
        from workbench.stages.rerun import rerun_some

        done = rerun_some(run, rerun, device=device, progress=Progress(quiet=quiet))
        problems += done["problems"]
        checked += done["checked"]
    if sign_with is not None and not problems:
        sealing.sign(run, Path(sign_with))
    if not problems:
        if run.sealed:
            checked.append("sealed")
        if run.has(SIGNATURE):
            by = run.read_json(SIGNATURE)["public_key"]
            whose = "" if verify_key is None and sign_with is None else ", the one asked for"
            checked.append(f"signed by the key {by}{whose}")
    return {"run": str(run.path), "problems": problems, "checked": checked}


def _run_of(path: Path) -> Run:
    """The run, or the run whose page it is."""
    if not path.is_file():
        return Run.open(path)
    run = Run(path.parent)
    if path.name not in ABOUT or not run.has("manifest.json"):
        raise ArtefactError(
            f"{path} is not the page of a run: no run lies in its folder",
            hint="a page alone cannot be verified; keep it in its run's directory",
        )
    if path.name not in Run.open(path.parent).manifest["files"]:
        raise ArtefactError(f"{path} is not in the manifest of {run.path}", hint="`workbench report RUN` writes it")
    return run
