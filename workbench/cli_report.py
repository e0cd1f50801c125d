"""The command `workbench report`."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.terminal import (
    JsonOption,
    LangOption,
    MaxMb,
    QuietOption,
    RedactOption,
    RunArgument,
    answering,
    print_json,
    progress_of,
)


def report(
    run: RunArgument,
    max_mb: MaxMb = None,
    lang: LangOption = "",
    redact: RedactOption = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print it too, through Chromium, as report.pdf.")] = False,
    mlflow: Annotated[
        str, typer.Option("--mlflow", metavar="URI", help="Log numbers and report to this MLflow server too.")
    ] = "",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a run's report.html again from what the run holds."""
    with answering():
        from workbench.chromium import known_chromium
        from workbench.reporting import build_report, print_report
        from workbench.run import Run

        opened, progress = Run.open(run), progress_of(quiet)
        if pdf:
            known_chromium()
        with opened.lock():
            path = build_report(opened, max_mb=max_mb, lang=lang, redact=redact, progress=progress)
            found = {"run": str(run), "report": str(path)}
            if pdf:
                progress.say("printing ...")
                path = print_report(opened, path)
                found["pdf"] = str(path)
        if mlflow:
            from workbench.tracking import log_run

            progress.say("logging to MLflow ...")
            logged = log_run(opened, mlflow)
            found |= {f"mlflow_{key}": value for key, value in logged.items()}
            if not as_json and logged["url"]:
                print(logged["url"])
        print_json(found) if as_json else print(path)
