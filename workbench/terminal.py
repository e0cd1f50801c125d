"""How a command speaks to a terminal: errors as two lines with their exit code, libraries kept quiet."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import typer

from workbench.errors import WorkbenchError


@contextlib.contextmanager
def answering(verbose: bool = False) -> Iterator[None]:
    """Turn errors into `error:` and `hint:` with their exit code; bugs keep their traceback."""
    if not verbose:
        hush()
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


def hush() -> None:
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
