"""The command `workbench audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.terminal import (
    DeviceOption,
    JsonOption,
    LangOption,
    QuietOption,
    SetOption,
    VerboseOption,
    answering,
    checked_device,
    print_json,
    progress_of,
)


def audit(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model that was made elsewhere.")],
    task: Annotated[str, typer.Option(help="What it does: a name of `workbench list tasks`.")],
    data: Annotated[str, typer.Option(help="Labelled examples: a file, a folder, hf:NAME or fixture:NAME.")],
    labels: Annotated[str, typer.Option(help="Names of its classes in its own order, or a file of them.")] = "",
    preprocess: Annotated[
        str, typer.Option(help='What the file does not say: "scale=255 size=224x224 layout=nchw", or a TOML file.')
    ] = "",
    name: Annotated[str, typer.Option(help="The run's name; else the file's.")] = "",
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("reports"),
    lang: LangOption = "",
    redact: Annotated[bool, typer.Option("--redact", help="Keep raw inputs out of the report.")] = False,
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Evaluate and explain an ONNX model from any framework, without training anything."""
    with answering(verbose):
        from workbench import auditing

        made = auditing.audit(
            model,
            task=task,
            data=data,
            labels=labels,
            preprocess=preprocess,
            name=name,
            out=out,
            lang=lang,
            redact=redact,
            overrides=tuple(overrides or ()),
            device=checked_device(device),
            progress=progress_of(quiet),
        )
        path = made.path / "report.html"
        found = {"run": str(made.path), "report": str(path), "contract": made.read_json("onnx/contract.json")}
        print_json(found) if as_json else print(path)
