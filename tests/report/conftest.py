"""Sample runs, built once a session and copied where a test changes one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_run import KINDS, build_sample

from workbench.run import Run


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One complete run of each kind; not to be written to."""
    folder = tmp_path_factory.mktemp("samples")
    return {kind: build_sample(folder / kind, kind) for kind in KINDS}


@pytest.fixture
def copied(samples: dict[str, Run], tmp_path: Path) -> Callable[[str], Run]:
    """A run of a kind that the test may change."""

    def copy(kind: str) -> Run:
        shutil.copytree(samples[kind].path, tmp_path / kind)
        return Run.open(tmp_path / kind)

    return copy
