"""Files written as they come: the bytes of whole ones, nothing left behind, memory that does not grow."""

from __future__ import annotations

import errno
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from workbench.errors import StageError
from workbench.records import AttributionWriter, read_attributions, write_attributions
from workbench.run import Run, json_bytes
from workbench.spool import Items, Tensors
from workbench.types import Attribution, Feature, Question

ITEMS = [{"a": [1, 2], "b": {"c": None}}, "ü \n x", 3.5, []]


@pytest.mark.parametrize("n", [0, 1, 4])
@pytest.mark.parametrize("named", [True, False])
def test_a_document_is_what_json_bytes_writes(tmp_path: Path, n: int, named: bool) -> None:
    path, before, after = tmp_path / "x.json", {"k": {"items": []}, "text": ' "items": []'}, {"z": [1], "end": {}}
    items = Items(path, "items")
    for i, item in enumerate(ITEMS[:n]):
        items.add(item, f"n{i}" if named else None)
    assert not path.exists()
    items.close(before, after, named=named)
    whole: Any = {f"n{i}": item for i, item in enumerate(ITEMS[:n])} if named else ITEMS[:n]
    assert path.read_bytes() == json_bytes({**before, "items": whole, **after})
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_tensors_come_back(tmp_path: Path, n: int) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "x.safetensors"
    arrays = {f"é{9 - i}": rng.normal(size=(i + 1, 2)).astype(("f4", "f8")[i % 2]) for i in range(n)}
    file = Tensors(path)
    for name, array in arrays.items():
        file.add(name, array)
    file.close()
    found = load_file(path)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_is_discarded_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")
    for file in (Items(path, "items"), Tensors(path)):
        if isinstance(file, Items):
            file.add(1)
        file.discard()
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    with pytest.raises(StageError, match="cannot write"):
        Items(tmp_path / "x" / "y.json", "items")


FEATURES = tuple(Feature(f"f{k}") for k in range(30))


def answer(i: int) -> Attribution:
    values = np.full(30, float(i))
    return Attribution(
        "shap", f"id-{i}", Question("logit", "Why?", target=0, unit="logit"), FEATURES,
        values, values - 1, values + 1, 0.0, 1.0, 0.0, 64, 0.1, 0, {"library": "none"}, np.zeros((32, 32)),
    )  # fmt: skip


def test_memory_does_not_grow_with_the_number_of_answers(tmp_path: Path) -> None:
    peaks = []
    for n in (3000, 9000):  # more rows than are kept before they are written
        writer = AttributionWriter(Run(tmp_path / str(n)), "onnx", {"explainer": "shap"})
        tracemalloc.start()
        for i in range(n):
            writer.add(answer(i))
        writer.close()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What grows is the place of each map in its file: some hundred bytes of 4 kB.
    assert peaks[1] - peaks[0] < 6000 * 800
    cases = {"id-8000": {"question": answer(0).question, "cut": type("Cut", (), {"features": answer(0).features})}}
    (found,) = read_attributions(Run(tmp_path / "9000"), "onnx", "shap", cases)
    assert found.values[0] == 8000


@pytest.mark.parametrize("when", ["__init__", "write_table", "close"])
def test_a_full_disk_is_named_and_leaves_nothing_of_a_writer(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, when, full)
    with pytest.raises(StageError, match=r"cannot write .*shap\.parquet: No space left on device"):
        write_attributions(Run(tmp_path), "onnx", {"explainer": "shap"}, [answer(1)])
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
