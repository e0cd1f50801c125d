"""Every error that the workbench raises on purpose.

WorkbenchError                         exit code
├── GateFailed                         1   a gate or a verification failed
├── UsageError                         2   wrong usage
│   ├── UnknownName                    2   a name that no registry knows (with did-you-mean)
│   └── ConfigError                    2   a bad config: unknown key, bad value
├── DataError                          3   bad data: file, row, column
├── ArtefactError                      4   a missing, damaged or newer artefact
│   └── NotChecked                     4   a gate's rule has no evidence to judge
├── MissingDependency                  5   an optional package is not installed
│   └── MissingProgram                 5   a program that is no Python package is not installed
└── StageError                         6   a stage could not do its work
    ├── ExportError                    6   export or parity failed
    │   └── Unsupported                6   an operator has no rule here
    └── ExplainError                   6   an explainer failed
        └── Refusal                    6   a method cannot answer truthfully for this model

A message says what was given, where (file, row, key) and what is allowed; `hint` says
what to type next. Foreign exceptions are translated where they enter; anything that is
not a `WorkbenchError` is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WorkbenchError(Exception):
    """An error with an exit code and a hint for the next step."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class GateFailed(WorkbenchError):
    """A gate or a verification failed."""

    exit_code = 1


class UsageError(WorkbenchError):
    """The command was used wrongly."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that no registry knows."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}", hint=hint)
        self.kind, self.name, self.known = kind, name, names


class ConfigError(UsageError):
    """A config with an unknown key or a value that is not allowed."""


class DataError(WorkbenchError):
    """Data that cannot be used; the message names file, row and column."""

    exit_code = 3


class ArtefactError(WorkbenchError):
    """A run's file is missing, damaged or of a newer schema."""

    exit_code = 4


class NotChecked(ArtefactError):
    """A gate's rule has no evidence to judge: why, and in which file it should stand."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.where = where


class MissingDependency(WorkbenchError):
    """An optional package is not installed; the hint is the pip line."""

    exit_code = 5

    def __init__(self, package: str, what: str, *, install: str = "") -> None:
        super().__init__(
            f"{what} needs the package {package!r}, which is not installed",
            hint=f"pip install {install or package}",
        )


class MissingProgram(MissingDependency):
    """A program that is no Python package is not installed; the hint says how to get it, or do without."""

    def __init__(self, message: str, *, hint: str) -> None:
        WorkbenchError.__init__(self, message, hint=hint)


class StageError(WorkbenchError):
    """A stage could not do its work."""

    exit_code = 6


class ExportError(StageError):
    """Export to ONNX or its parity with the trained model failed."""


class Unsupported(ExportError):
    """An operator has no rule here, or not for the way it is used."""


class ExplainError(StageError):
    """An explainer failed."""


class Refusal(ExplainError):
    """A method that cannot answer truthfully for this model or input, and why."""
