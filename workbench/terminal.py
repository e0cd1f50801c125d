"""What every command shares: its options, how it answers errors, where progress and JSON go."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.errors import UsageError, WorkbenchError

SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the config; may be repeated.")
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where models run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")]
MaxMb = Annotated[float | None, typer.Option(min=0.0, help="Largest size in MB; else report.max_mb.")]
LangOption = Annotated[str, typer.Option("--lang", metavar="en|zh-CN", help="Language of the page; else report.lang.")]
RedactOption = Annotated[
    bool | None, typer.Option("--redact/--no-redact", help="Keep raw inputs out: hashes, no pictures; else as before.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print what the libraries say too.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]


CLOSED = 141  # exit code of a command whose reader has gone: 128 and SIGPIPE


@contextlib.contextmanager
def answering(verbose: bool = False) -> Iterator[None]:
    """Turn errors into `error:` and `hint:` with their exit code; bugs keep their traceback."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not verbose:
        _hush()
    try:
        yield
        sys.stdout.flush()
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
        if isinstance(e, BrokenPipeError) and _nobody_reads():
            raise typer.Exit(CLOSED) from None
        if os.environ.get("WORKBENCH_DEBUG") == "1" or e.errno is None:
            raise
        print(f"error: {e.filename or 'a file'}: {e.strerror}", file=sys.stderr)
        print("hint: earlier artefacts are intact; WORKBENCH_DEBUG=1 shows where it happened", file=sys.stderr)
        raise typer.Exit(6) from None


def _nobody_reads() -> bool:
    """Whether whoever read stdout or stderr has gone, as `head` does; what is still to be printed is dropped."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)
    gone = [stream for stream, event in poll.poll(0) if event & (select.POLLERR | select.POLLHUP)]
    for stream in gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    return bool(gone)


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


def checked_device(value: str) -> str:
    """The device as given; one that does not exist is wrong usage."""
    if value not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {value}: there is no such device", hint="allowed are auto, cpu and cuda")
    return value


def progress_of(quiet: bool) -> Any:
    """Where progress is shown: stderr, or nowhere."""
    from workbench.engines.progress import Progress

    return Progress(quiet=quiet)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=1))
