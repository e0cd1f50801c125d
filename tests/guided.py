"""Fuzzing that is led by coverage: a program. Needs atheris.

`python guided.py TARGET RUNS FOLDER` puts inputs to one entry point, each bent so that another line of the workbench
is reached. An error that is not one of ours, ten seconds for one input or 3 GB of memory end it with a traceback, an
exit code other than 0, and the input in FOLDER.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["workbench"]):
    import test_fuzz as known
from memory import peak_bytes

from workbench.errors import WorkbenchError

LIMIT = 3 << 30  # bytes
CSV = b"text,label,a\ngood,yes,1\nbad,no,2\n" * 3
RUN_FILES = [name for name in known.RUN_FILES if name != "seal.json"]


def config(content: bytes) -> None:
    known.a_config_file(content.decode("utf-8", "replace"))


def table(content: bytes) -> None:
    suffix = (".csv", ".jsonl", ".json", ".parquet")[content[0] % 4] if content else ".csv"
    known.a_table((suffix, content[1:], ("text", "table")[len(content) % 2], {}))


def run(content: bytes) -> None:
    name = RUN_FILES[content[0] % len(RUN_FILES)] if content else RUN_FILES[0]
    path = known.a_copy() / name
    known.a_run_file(path, content[1:], known.file_of(name))


def model(content: bytes) -> None:
    known.a_model(content)


def input_(content: bytes) -> None:
    text = content[1:].decode("utf-8", "replace")
    modality = ("text", "image", "table")[content[0] % 3] if content else "text"
    known.an_input((modality, text))


# The entry points, each with inputs to begin from.
TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "config": (config, lambda: [b'task = "text-classification"\n[data]\nsource = "x"\n', b"[accuracy]\nmin = 0.5\n"]),
    "table": (table, lambda: [b"\0" + CSV, b"\1" + b'{"text": "a", "label": "b"}\n' * 4, b"\2[{}]"]),
    "run": (run, lambda: [bytes([i]) + known.file_of(n) for i, n in enumerate(RUN_FILES)]),
    "model": (model, lambda: [known.file_of("onnx/model.onnx")]),
    "input": (input_, lambda: [b"\0good", b"\1picture.png", b'\2{"size": 1, "colour": "red"}', b"\2size=1,colour=red"]),
}


def main(target: str, runs: int, folder: Path) -> None:
    act, begin = TARGETS[target]
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for i, content in enumerate(begin()):
        (corpus / str(i)).write_bytes(content)

    def one(content: bytes) -> None:
        try:
            act(content)
        except WorkbenchError as e:
            assert e.message and e.exit_code in (2, 3, 4, 6), e
        assert peak_bytes() < LIMIT, "memory"

    # not libFuzzer's limit of memory, which counts what the process held that started this one
    limits = ["-timeout=10", "-rss_limit_mb=0", "-max_len=200000", "-seed=1", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], f"-runs={runs}", *limits, str(corpus)], one)
    print(json.dumps({"target": target, "runs": runs}), flush=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
