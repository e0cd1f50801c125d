"""The command `workbench export`: the deployed file and its variants."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.errors import UsageError
from workbench.terminal import (
    DeviceOption,
    JsonOption,
    QuietOption,
    RunArgument,
    SetOption,
    VerboseOption,
    answering,
    checked_device,
    print_json,
    progress_of,
)

DTYPES = ("fp32", "fp16", "bf16", "int8")


def export(
    run: RunArgument,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="fp32,fp16,bf16,int8", help="Variants to make and to compare with fp32.")
    ] = "",
    candidate: Annotated[
        str, typer.Option("--candidate", metavar="NAME", help="How the file is written; `fastest` tries them all.")
    ] = "",
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write a run's model as ONNX, prove it equal to the trained one, and make variants of it."""
    with answering(verbose):
        from workbench import pipeline

        asked = list(overrides or ())
        if dtype:
            asked.append(f"export.dtypes={checked_dtypes(dtype)}")
        if candidate:
            asked.append(f"export.candidate={candidate}")
        # Variants are compared in what they answer and why, so they come after the predictions.
        last = "variants" if dtype else "export"
        made = pipeline.run_stage(run, last, tuple(asked), device=checked_device(device), progress=progress_of(quiet))
        entry = made.manifest["stages"][last]
        outputs = [made.path / name for name in entry["outputs"]]
        print_json({"run": str(made.path), "stage": last, **entry}) if as_json else print(*outputs, sep="\n")


def checked_dtypes(text: str) -> list[str]:
    """The number formats in a list such as "fp32,int8"; an unknown one is wrong usage."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in DTYPES:
            raise UsageError(f"--dtype {name}: there is no such number format", hint=f"allowed are {', '.join(DTYPES)}")
    return names
