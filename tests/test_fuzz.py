"""Whatever stands in a config, a table, a picture, a run or a model: an error of ours or none, quickly and in bounds.

A few examples of each target in the fast tier, 20,000 together in the slow one.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory import forget_peak, peak_bytes
from runs import made

from workbench.backbones.onnx_file import check_file
from workbench.config import Data, build_config, read_config, read_resolved
from workbench.data.single import single_input
from workbench.data.sources import load_dataset
from workbench.errors import WorkbenchError
from workbench.policy import read_policy
from workbench.records import read_predictions
from workbench.report.numbers import check_numbers
from workbench.run import MANIFEST, Run
from workbench.types import Column

SECONDS, BYTES = 10.0, 2 * 1024**3
FAST = 30

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=True),
    st.text(max_size=12),
    st.sampled_from(["", "yes", "no", "1", "-0", "nan", "inf", "1e400", "\u202e", "\ud800", "a\x00b", "=1+1", "../x"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
SECTIONS = ("data", "backbone", "finetune", "export", "explain", "report", "audit", "card", "compare", "assess", "x")
KEYS = (
    "source",
    "target",
    "labels",
    "epochs",
    "methods",
    "samples",
    "ranges",
    "regions",
    "max_mb",
    "trust_remote_code",
)


@cache
def place() -> Path:
    return Path(tempfile.mkdtemp(prefix="workbench-fuzz-"))


def bent(content: bytes, changes: list[tuple[int, int]], cut: int | None) -> bytes:
    """Bytes of which some are others and the rest is cut off."""
    found = bytearray(content)
    for at, value in changes:
        if found:
            found[at % len(found)] = value
    return bytes(found if cut is None else found[: cut % (len(found) + 1)])


bends = st.tuples(
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=6),
    st.one_of(st.none(), st.none(), st.integers(0, 2**20)),
)


# -- the targets: a strategy and what is done with its example -------------------------------


def a_config(raw: dict[str, Any]) -> None:
    build_config(raw)


def a_config_file(text: str) -> None:
    for name, read in (("c.toml", read_config), ("config.toml", read_resolved), ("policy.toml", read_policy)):
        (place() / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            read(place() / name)
        except WorkbenchError as e:
            assert e.message
    build_config({"task": "text-classification", "data": {"source": "x"}}, (text,))


def a_table(example: tuple[str, bytes, str, dict[str, Any]]) -> None:
    suffix, content, modality, more = example
    path = place() / f"t{suffix}"
    path.write_bytes(content)
    task = {"text": "text-classification", "table": "tabular-classification"}[modality]
    data = {"source": str(path), "max_skipped": 0.9, **more}
    load_dataset(build_config({"task": task, "data": data}), modality, "class")


def a_folder(files: list[tuple[str, str, bytes]]) -> None:
    root = place() / "pictures"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for k, (label, suffix, content) in enumerate(files):
        (root / label).mkdir(exist_ok=True)
        (root / label / f"{k}{suffix}").write_bytes(content)
    config = build_config({"task": "image-classification", "data": {"source": str(root), "max_skipped": 0.9}})
    load_dataset(config, "image", "class")


@cache
def a_copy() -> Path:
    shutil.copytree(made("classes").path, place() / "run")
    return place() / "run"


@cache
def file_of(name: str) -> bytes:
    return (made("classes").path / name).read_bytes()


RUN_FILES = (MANIFEST, "onnx/predictions.parquet", "onnx/metrics.json", "report.json", "config.toml", "seal.json")


def a_run(example: tuple[str, Any]) -> None:
    name, change = example
    original = file_of(name) if name != "seal.json" else b"{}"
    content = bent(original, *change) if isinstance(change, tuple) else json.dumps(change).encode()
    a_run_file(a_copy() / name, content, None if name == "seal.json" else original)


def a_run_file(path: Path, content: bytes, original: bytes | None) -> None:
    """Read the run with other bytes in one of its files, which is then as it was (None: not there)."""
    path.write_bytes(content)
    try:
        run = Run.open(a_copy())
        for look in (run.verify, lambda: read_predictions(run, "onnx"), lambda: check_numbers(run)):
            try:
                look()
            except WorkbenchError as e:
                assert e.message
        read_resolved(a_copy() / "config.toml")
    finally:
        if original is None:
            path.unlink()
        else:
            path.write_bytes(original)


def a_model(change: tuple[list[tuple[int, int]], int | None] | bytes) -> None:
    path = place() / "model.onnx"
    path.write_bytes(change if isinstance(change, bytes) else bent(file_of("onnx/model.onnx"), *change))
    check_file(path)


COLUMNS = (Column("size", "numeric"), Column("colour", "categorical", ("red", "blue")))


def an_input(example: tuple[str, Any]) -> None:
    modality, value = example
    single_input(value, Data(source="x"), modality, COLUMNS if modality == "table" else ())


csv_cells = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)
csv_rows = st.lists(st.lists(csv_cells, min_size=1, max_size=4).map(",".join), max_size=12)
csv = st.one_of(
    st.binary(max_size=200),
    csv_rows.map(lambda rows: "\n".join(["text,label,a", *rows]).encode()),
    st.lists(st.sampled_from(["good,yes,1", "bad,no,2", "odd,yes,", ",,", '"a\nb",no,3', "x,y,nan"]), max_size=30).map(
        lambda rows: "\n".join(["text,label,a", *rows]).encode()
    ),
)
lines = st.lists(
    st.one_of(
        st.fixed_dictionaries({"text": scalars, "label": st.one_of(scalars, st.sampled_from(["yes", "no"]))}), values
    ),
    max_size=8,
).map(lambda rows: "\n".join(json.dumps(r) for r in rows).encode("utf-8", "surrogatepass"))
arrays = values.map(lambda v: json.dumps(v).encode("utf-8", "surrogatepass"))
options = st.dictionaries(
    st.sampled_from(["target", "text", "id", "group", "encoding", "delimiter", "split"]),
    st.sampled_from(["label", "a", "text", "nothing", "utf-16", "latin-1", ";", ",", "rot13", "\n", "base64"]),
    max_size=2,
)
parquets = st.binary(max_size=60).map(lambda b: b"PAR1" + b + b"PAR1")
tables = st.one_of(
    st.tuples(st.just(".csv"), csv, st.sampled_from(["text", "table"]), options),
    st.tuples(st.sampled_from([".jsonl", ".json"]), st.one_of(lines, arrays), st.just("text"), options),
    st.tuples(
        st.just(".parquet"), st.binary(max_size=60).map(lambda b: b"PAR1" + b + b"PAR1"), st.just("text"), options
    ),
)


@cache
def picture(suffix: str) -> bytes:
    import io

    import numpy as np
    from PIL import Image

    sink = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(sink, {".png": "PNG", ".jpg": "JPEG", ".gif": "GIF", ".tif": "TIFF"}[suffix])
    return sink.getvalue()


pictures = st.sampled_from([".png", ".jpg", ".gif", ".tif"]).flatmap(
    lambda s: st.tuples(
        st.sampled_from(["a", "b", "train"]),
        st.just(s),
        st.one_of(bends.map(lambda b: bent(picture(s), *b)), st.just(picture(s)), st.binary(max_size=30)),
    )
)

TARGETS: dict[str, tuple[Any, Callable[[Any], None], int]] = {
    "config": (
        st.one_of(
            st.dictionaries(
                st.one_of(st.sampled_from([*SECTIONS, "task", "seed", "name", "out"]), st.text(max_size=5)),
                st.one_of(values, st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), values)),
                max_size=5,
            ),
            st.dictionaries(st.sampled_from(KEYS), values).map(
                lambda d: {"task": "tabular-classification", "data": {"source": "x", **d}}
            ),
        ),
        a_config,
        4000,
    ),
    "config file": (
        st.one_of(
            st.text(max_size=60),
            st.tuples(st.sampled_from(SECTIONS), st.sampled_from(KEYS), st.text(max_size=10)).map(
                lambda t: f"task = 'text-classification'\n[{t[0]}]\n{t[1]} = {t[2]}\n"
            ),
            st.tuples(st.sampled_from(SECTIONS), st.sampled_from(KEYS), st.text(max_size=10)).map(
                lambda t: f"{t[0]}.{t[1]}={t[2]}"
            ),
        ),
        a_config_file,
        3000,
    ),
    "table": (tables, a_table, 4500),
    "picture folder": (st.lists(pictures, max_size=8), a_folder, 1500),
    "run": (st.tuples(st.sampled_from(RUN_FILES), st.one_of(bends, bends, values)), a_run, 2000),
    "model": (st.one_of(bends, st.binary(max_size=80)), a_model, 3000),
    "input": (
        st.one_of(
            st.tuples(st.sampled_from(["text", "image", "table"]), st.one_of(st.text(max_size=40), values)),
            st.tuples(st.just("table"), st.dictionaries(st.sampled_from(["size", "colour", "x"]), values)),
            st.tuples(
                st.just("table"),
                st.dictionaries(st.sampled_from(["size", "colour"]), values, min_size=2).map(json.dumps),
            ),
        ),
        an_input,
        2000,
    ),
}


def fuzz(name: str, examples: int) -> None:
    strategy, act, _ = TARGETS[name]
    if name in ("run", "model"):
        made("classes")  # made once, and not on the time of an example

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def attempt(example: Any) -> None:
        begun = time.process_time()
        try:
            act(example)
        except WorkbenchError as e:
            assert e.message and e.exit_code in (2, 3, 4, 6), e
        assert time.process_time() - begun < SECONDS

    before = forget_peak()
    attempt()
    assert peak_bytes() - before < BYTES


def test_twenty_thousand_examples_are_asked_for() -> None:
    assert sum(n for _, _, n in TARGETS.values()) == 20_000


@pytest.mark.parametrize("name", TARGETS)
def test_a_few(name: str) -> None:
    fuzz(name, FAST)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many(name: str) -> None:
    fuzz(name, TARGETS[name][2])


def test_the_files_that_are_bent_are_there() -> None:
    assert pq.ParquetFile(made("classes").path / "onnx/predictions.parquet").metadata.num_rows
    assert all((made("classes").path / n).is_file() for n in RUN_FILES if n != "seal.json")
