"""The deployed file loaded beside the imports: the same file, its errors where they are asked for, a quiet terminal."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from runs import copy_of, made

from workbench.backbones.ahead import load_ahead
from workbench.backbones.gradients import GradientBackbone
from workbench.backbones.onnx_session import muted
from workbench.errors import ArtefactError
from workbench.stages.session import Session


def test_it_is_the_deployed_file_with_its_gradients() -> None:
    session = Session.open(made("texts").path, device="cpu")
    with ThreadPoolExecutor(1) as pool:
        future = load_ahead(session.run.path, "cpu", pool)
    assert future is not None and isinstance(future.result(), GradientBackbone)
    assert "graph" in vars(future.result())  # it is there before it is asked
    batch = session.encode(session.preparation).batch(np.arange(3))
    np.testing.assert_array_equal(future.result().outputs(batch), session.onnx.outputs(batch))


def test_what_is_wrong_is_said_when_it_is_asked(tmp_path: Path) -> None:
    run = copy_of("texts", tmp_path)
    with (run.path / "onnx" / "explain.onnx").open("ab") as file:
        file.write(b"x")
    with ThreadPoolExecutor(1) as pool:
        future = load_ahead(run.path, "cpu", pool)
    assert future is not None
    with pytest.raises(ArtefactError, match="not the file whose gradients were compared"):
        future.result().graph  # noqa: B018
    (run.path / "onnx" / "parity.json").write_text("{")
    with ThreadPoolExecutor(1) as pool:
        future = load_ahead(run.path, "cpu", pool)
    assert future is not None
    with pytest.raises(ArtefactError, match=r"parity\.json"):
        future.result()
    (run.path / "onnx" / "parity.json").unlink()
    (run.path / "onnx" / "model.onnx").write_bytes(b"")
    with ThreadPoolExecutor(1) as pool:
        future = load_ahead(run.path, "cpu", pool)
    assert future is not None
    with pytest.raises(ArtefactError, match=r"model\.onnx"):
        future.result()


def test_an_audited_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "twin.json").write_text("{}")
    with ThreadPoolExecutor(1) as pool:
        assert load_ahead(tmp_path, "cpu", pool) is None


def test_threads_that_hold_back_the_error_output_leave_it_as_it_was() -> None:
    """Taken by one while another holds it back, the output would be given to nobody ever after."""
    before, inside = os.fstat(2), threading.Event()

    def first() -> None:
        with muted():
            inside.set()
            inside_second.wait(5)
            time.sleep(0.05)  # while the other takes the output for the one to give back

    def second() -> None:
        inside.wait(5)
        inside_second.set()
        with muted():
            held.append(os.fstat(2).st_rdev == Path(os.devnull).stat().st_rdev)

    inside_second, held = threading.Event(), list[bool]()
    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = os.fstat(2)
    assert held == [True] and (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
