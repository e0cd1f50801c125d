"""The command line: parse, call, print. Heavy imports happen inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench import __version__, cli_keeping
from workbench.cli_audit import audit
from workbench.cli_export import export
from workbench.cli_report import report
from workbench.errors import GateFailed, MissingDependency, UnknownName, UsageError
from workbench.terminal import (
    DeviceOption,
    JsonOption,
    LangOption,
    QuietOption,
    RedactOption,
    RunArgument,
    SetOption,
    VerboseOption,
    answering,
    checked_device,
    print_json,
    progress_of,
)

app = typer.Typer(
    name="workbench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def workbench(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Fine-tune, export, evaluate and explain a model, and answer for it."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("reports"),
    lang: LangOption = "",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make four audits of really fine-tuned models from data that needs no download."""
    with answering(verbose):
        from workbench.pipeline import run_demo

        paths = run_demo(out, lang=lang, device=checked_device(device), progress=progress_of(quiet))
        found = {"reports": [str(p) for p in paths[:-1]], "index": str(paths[-1])}
        print_json(found) if as_json else print(*paths, sep="\n")


@app.command()
def init(
    task: Annotated[str, typer.Argument(metavar="TASK|policy", help="A task (`workbench list tasks`), or `policy`.")],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The file to write.")] = None,
) -> None:
    """Write a commented config for a task, or a gate's policy, to be filled in."""
    with answering():
        from workbench.run import write_atomically
        from workbench.stages.init import POLICY, template

        text = template(task)
        path = file or Path("policy.toml" if task == POLICY else "workbench.toml")
        if path.exists():
            raise UsageError(f"{path} is there already", hint="give another file name")
        write_atomically(path, text.encode())
        then = f"workbench gate RUN --policy {path}" if task == POLICY else f"workbench run {path}"
        print(f"{path}: fill it in, then `{then}`")


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML config; `workbench init` writes one.")],
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Fine-tune, export, evaluate, explain and report, as a config asks."""
    with answering(verbose):
        from workbench import pipeline

        where = {"device": checked_device(device), "progress": progress_of(quiet)}
        made = pipeline.run_config(config, tuple(overrides or ()), **where)
        path = made.path / "report.html"
        print_json({"run": str(made.path), "report": str(path)}) if as_json else print(path)


def _do_stage(run: Path, name: str, overrides: list[str] | None, device: str, as_json: bool, quiet: bool) -> None:
    from workbench import pipeline

    where = {"device": checked_device(device), "progress": progress_of(quiet)}
    made = pipeline.run_stage(run, name, tuple(overrides or ()), **where)
    entry = made.manifest["stages"][name]
    found = {"run": str(made.path), "stage": name, **entry}
    print_json(found) if as_json else print(*(made.path / n for n in entry["outputs"]), sep="\n")


def _add_stage(name: str, text: str) -> None:
    def command(
        run: RunArgument,
        overrides: SetOption = None,
        device: DeviceOption = "auto",
        as_json: JsonOption = False,
        quiet: QuietOption = False,
        verbose: VerboseOption = False,
    ) -> None:
        with answering(verbose):
            _do_stage(run, name, overrides, device, as_json, quiet)

    command.__doc__ = text
    app.command(name)(command)


_add_stage("finetune", "Customise the backbone of a run.")
app.command("export")(export)
_add_stage("evaluate", "Compute every measure of a run with its interval.")
_add_stage("explain", "Explain a choice of a run's predictions.")
_add_stage("assess", "Measure how far each explanation of a run can be trusted.")
_add_stage("overall", "Gather what the model of a run leans on over many examples.")
_add_stage("contrast", "Say of a run's explained predictions why not another, what would turn them, what is like them.")


@app.command()
def predict(
    run: RunArgument,
    input: Annotated[Path | None, typer.Option("--input", help="New data: a file, a picture or a folder.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a Parquet or CSV file; else print.")] = None,
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Predict every split of a run, or new data with its deployed file."""
    with answering(verbose):
        if input is None:
            if out is not None:
                raise UsageError("--out without --input", hint="predictions of a run's splits lie in the run")
            _do_stage(run, "predict", overrides, device, as_json, quiet)
            return
        if overrides:
            raise UsageError("--set with --input", hint="new data is read by the run's own config; leave out --set")
        from workbench.stages.apply import predict_new

        rows = predict_new(run, input, device=checked_device(device), out=out)
        lines = [out] if out is not None else ["\t".join(map(str, row.values())) for row in rows]
        print_json(rows) if as_json else print(*lines, sep="\n")


@app.command("inspect")
def inspect_prediction(
    run: RunArgument,
    id: Annotated[str, typer.Option("--id", help="An example of the run's data.")] = "",
    input: Annotated[str | None, typer.Option("--input", help="A new text, a picture, or a row as JSON.")] = None,
    before: Annotated[bool | None, typer.Option(help="Explain the model before too; else unless a text.")] = None,
    lang: LangOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the page; else inside the run.")] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Explain one prediction: every method side by side, how far to trust it, what would turn it."""
    with answering(verbose):
        from workbench.inspection import inspect_one

        more = {"before": before, "out": out, "device": checked_device(device), "progress": progress_of(quiet)}
        found = inspect_one(run, id=id, input=input, lang=lang, **more)
        print_json(found) if as_json else print(found["page"])


app.command()(report)


@app.command()
def gate(
    run: RunArgument,
    policy: Annotated[Path, typer.Option("--policy", help="A TOML policy; `workbench init policy` writes one.")],
    reference: Annotated[Path | None, typer.Option("--reference", metavar="RUN", help="An earlier run.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a run by a policy: exit code 1 unless every rule holds."""
    with answering():
        from workbench import pipeline
        from workbench.run import write_atomically
        from workbench.stages import gate_output

        content = pipeline.gate(run, policy, reference=reference)
        if junit is not None:
            write_atomically(junit, gate_output.junit_xml(content))
        if markdown is not None:
            write_atomically(markdown, gate_output.markdown(content).encode())
        print_json(content) if as_json else print(gate_output.table_text(content))
        if not content["passed"]:
            raise GateFailed(f"{run}: {content['sentence']}", hint="gate.json says by how much each rule fails")


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run that stands for before.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run that stands for after.")],
    on: Annotated[str, typer.Option("--on", metavar="same|common", help="`common`: what both runs hold.")] = "same",
    null: Annotated[list[Path] | None, typer.Option(help="A twin with another seed; may be repeated.")] = None,
    margin: Annotated[float | None, typer.Option(help="Largest acceptable loss, as a share.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the comparison; else beside RUN_A.")] = None,
    lang: LangOption = "",
    redact: RedactOption = None,
    overrides: SetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Compare the deployed models of two runs, and whether they decide for the same reasons."""
    with answering(verbose):
        from workbench import pipeline

        made = pipeline.compare_runs(
            run_a,
            run_b,
            on=on,
            nulls=tuple(null or ()),
            margin=margin,
            overrides=tuple(overrides or ()),
            out=out,
            lang=lang,
            redact=redact,
            device=checked_device(device),
            progress=progress_of(quiet),
        )
        path = made.path / "compare.html"
        found = made.read_json("comparison.json")
        shown = {k: found[k] for k in ("verdict", "n", "notes", "margin", "shift", "moved_to")}
        print_json({"comparison": str(made.path), "report": str(path), **shown}) if as_json else print(path)


@app.command("list")
def list_names(
    what: Annotated[str, typer.Argument(metavar="tasks|backbones|explainers|controls|metrics|fixtures")],
    as_json: JsonOption = False,
) -> None:
    """List what there is by name."""
    with answering():
        from workbench import registry

        if what not in registry.TABLES:
            raise UnknownName("list", what, registry.TABLES)
        found = registry.names(what)
        width = max(map(len, found))
        print_json(found) if as_json else print(*(f"{n:<{width}}  {t}" for n, t in found.items()), sep="\n")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and what is missing, with what to do about it."""
    with answering():
        from workbench.stages.doctor import as_text, diagnose, healthy

        findings = diagnose()
        print_json(findings) if as_json else print(as_text(findings))
        if not healthy(findings):
            raise typer.Exit(MissingDependency.exit_code)


cli_keeping.add_to(app)
app.command()(audit)


def main() -> None:
    """Entry point of the `workbench` command."""
    app()


if __name__ == "__main__":
    main()
