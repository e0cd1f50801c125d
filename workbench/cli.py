"""The command line: parse, call, print. Heavy imports happen inside the commands."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.errors import UsageError, WorkbenchError

app = typer.Typer(
    name="workbench",
    help="Fine-tune, export, evaluate and explain a model, and answer for it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the config; may be repeated.")
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where models run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print what the libraries say too.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]


@contextlib.contextmanager
def _answering(verbose: bool = False) -> Iterator[None]:
    """Turn errors into `error:` and `hint:` with their exit code; bugs keep their traceback."""
    if not verbose:
        _hush()
    try:
        yield
    except WorkbenchError as e:
        if os.environ.get("WORKBENCH_DEBUG") == "1":
            raise
        print(f"error: {e.message}", file=sys.stderr)
        if e.hint:
            print(f"hint: {e.hint}", file=sys.stderr)
        raise typer.Exit(e.exit_code) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        print("hint: the same command goes on from what is done", file=sys.stderr)
        raise typer.Exit(130) from None
    except OSError as e:
        if os.environ.get("WORKBENCH_DEBUG") == "1" or e.errno is None:
            raise
        print(f"error: {e.filename or 'a file'}: {e.strerror}", file=sys.stderr)
        print("hint: earlier artefacts are intact; WORKBENCH_DEBUG=1 shows where it happened", file=sys.stderr)
        raise typer.Exit(6) from None


def _hush() -> None:
    """Keep the libraries' progress bars, warnings and advertisements out of the terminal."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import warnings

    warnings.simplefilter("ignore")


def _device(value: str) -> str:
    if value not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {value}: there is no such device", hint="allowed are auto, cpu and cuda")
    return value


def _progress(quiet: bool) -> Any:
    from workbench.engines.progress import Progress

    return Progress(quiet=quiet)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("reports"),
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make four audits of really fine-tuned models from data that needs no download."""
    with _answering(verbose):
        from workbench.pipeline import run_demo

        paths = run_demo(out, device=_device(device), progress=_progress(quiet))
        if as_json:
            _print_json({"reports": [str(p) for p in paths[:-1]], "index": str(paths[-1])})
        else:
            print("\n".join(str(p) for p in paths))


@app.command()
def init(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task; `workbench list tasks` names them.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The config to write.")] = Path("workbench.toml"),
) -> None:
    """Write a commented config for a task, to be filled in."""
    with _answering():
        from workbench.run import write_atomically
        from workbench.stages.init import config_template

        text = config_template(task)
        if file.exists():
            raise UsageError(f"{file} is there already", hint="give another file name")
        write_atomically(file, text.encode())
        print(f"{file}: fill it in, then `workbench run {file}`")


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
    with _answering(verbose):
        from workbench import pipeline

        made = pipeline.run_config(config, tuple(overrides or ()), device=_device(device), progress=_progress(quiet))
        path = made.path / "report.html"
        _print_json({"run": str(made.path), "report": str(path)}) if as_json else print(path)


def _do_stage(run: Path, name: str, overrides: list[str] | None, device: str, as_json: bool, quiet: bool) -> None:
    from workbench import pipeline

    made = pipeline.run_stage(run, name, tuple(overrides or ()), device=_device(device), progress=_progress(quiet))
    entry = made.manifest["stages"][name]
    if as_json:
        _print_json({"run": str(made.path), "stage": name, **entry})
    else:
        print("\n".join(str(made.path / n) for n in entry["outputs"]))


def _add_stage(name: str, text: str) -> None:
    def command(
        run: RunArgument,
        overrides: SetOption = None,
        device: DeviceOption = "auto",
        as_json: JsonOption = False,
        quiet: QuietOption = False,
        verbose: VerboseOption = False,
    ) -> None:
        with _answering(verbose):
            _do_stage(run, name, overrides, device, as_json, quiet)

    command.__doc__ = text
    app.command(name)(command)


_add_stage("finetune", "Customise the backbone of a run.")
_add_stage("export", "Write a run's model as ONNX and prove it equal to the trained one.")
_add_stage("evaluate", "Compute every measure of a run with its interval.")
_add_stage("explain", "Explain a choice of a run's predictions.")
_add_stage("assess", "Measure how far each explanation of a run can be trusted.")
_add_stage("overall", "Gather what the model of a run leans on over many examples.")


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
    with _answering(verbose):
        if input is None:
            if out is not None:
                raise UsageError("--out without --input", hint="predictions of a run's splits lie in the run")
            _do_stage(run, "predict", overrides, device, as_json, quiet)
            return
        if overrides:
            raise UsageError("--set with --input", hint="new data is read by the run's own config; leave out --set")
        from workbench.stages.apply import predict_new

        rows = predict_new(run, input, device=_device(device), out=out)
        if as_json:
            _print_json(rows)
        elif out is not None:
            print(out)
        else:
            for row in rows:
                print("\t".join(str(v) for v in row.values()))


@app.command()
def report(run: RunArgument, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Write a run's report.html again from what the run holds."""
    with _answering():
        from workbench import pipeline
        from workbench.run import Run

        opened = Run.open(run)
        with opened.lock():
            path = pipeline.build_report(opened, progress=_progress(quiet))
        _print_json({"run": str(run), "report": str(path)}) if as_json else print(path)


@app.command()
def verify(run: RunArgument, as_json: JsonOption = False) -> None:
    """Check every file of a run against the hash in its manifest."""
    with _answering():
        from workbench.errors import GateFailed
        from workbench.run import Run

        problems = Run.open(run).verify()
        if as_json:
            _print_json({"run": str(run), "problems": problems})
        if problems:
            raise GateFailed(
                f"{run}: {len(problems)} files are not what the manifest says: {'; '.join(problems[:5])}",
                hint="run the config again to rebuild what is damaged",
            )
        if not as_json:
            print(f"{run}: every file is what the manifest says")


@app.command("list")
def list_names(
    what: Annotated[str, typer.Argument(metavar="tasks|backbones|explainers|controls|metrics|fixtures")],
    as_json: JsonOption = False,
) -> None:
    """List what there is by name."""
    with _answering():
        from workbench import registry
        from workbench.errors import UnknownName

        if what not in registry.TABLES:
            raise UnknownName("list", what, registry.TABLES)
        found = registry.names(what)
        if as_json:
            _print_json(found)
        else:
            width = max(map(len, found))
            print("\n".join(f"{name:<{width}}  {text}" for name, text in found.items()))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and what is missing, with what to do about it."""
    with _answering():
        from workbench.stages.doctor import diagnose

        findings = diagnose()
        if as_json:
            _print_json(findings)
        else:
            for finding in findings:
                print(f"{'ok ' if finding['ok'] else '!  '} {finding['what']}: {finding['text']}")


def main() -> None:
    """Entry point of the `workbench` command."""
    app()


if __name__ == "__main__":
    main()
