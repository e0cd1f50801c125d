"""Which class a foreign file's scores are of: its own labels and the names that are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from answering import classifier, told
from onnx import helper

import workbench
from workbench.auditing import settle
from workbench.backbones.contract_outputs import kind_of
from workbench.backbones.signature import Port
from workbench.config import build_config
from workbench.config_audit import Audit
from workbench.errors import UsageError
from workbench.language import speaking, stored
from workbench.stages.matching import labels_of
from workbench.stages.own_labels import check_order, differing, label_output, sentence
from workbench.types import Dataset, Example

CHEAP = ("explain.samples=2", "explain.budget=16", "explain.background=4", "explain.global_samples=4",
         "evaluate.resamples=100", "assess.seeds=0", "assess.randomised=1", "assess.other_class=1",
         "assess.perturbed=1", "assess.draws=1", "assess.masked=4")  # fmt: skip


def rows(path: Path, classes: list[str], n: int = 60) -> Path:
    """Rows whose answers are the file's, but for every seventh."""
    weight = np.random.default_rng(1).normal(size=(3, len(classes))).astype(np.float32)
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    said = (x @ weight).argmax(axis=1)
    said[::7] = (said[::7] + 1) % len(classes)
    path.write_text(
        "\n".join(["a,b,c,answer", *(f"{r[0]},{r[1]},{r[2]},{classes[y]}" for r, y in zip(x, said, strict=True))])
    )
    return path


# -- the file's own labels -------------------------------------------------------------


def test_names_in_another_order_than_the_files_are_refused(tmp_path: Path) -> None:
    classes = ["high", "low", "mid"]
    path, data = classifier(tmp_path / "m.onnx", classes, columns=False), rows(tmp_path / "r.csv", classes)
    raw = {"task": "tabular-classification", "data": {"source": str(data), "target": "answer", "test_share": 0.7},
           "audit": {"model": str(path)}}  # fmt: skip
    config = build_config(raw, ('data.labels=["low", "mid", "high"]',), where="here")
    with pytest.raises(UsageError, match=r"--labels says low, mid, high, .* in the order high, low, mid") as e:
        settle(config)
    assert "--labels high,low,mid" in e.value.hint
    assert settle(build_config(raw, ('data.labels=["high", "low", "mid"]',), where="here"))


def test_numbers_and_other_names_keep_their_order() -> None:
    zipped = told((), (1, 0), origin="its operator ZipMap")
    assert check_order(("1.0", "0.0"), zipped) == check_order(("no", "yes"), zipped) == ""
    assert check_order(("a", "b", "c"), zipped) == check_order(("a", "b"), told(())) == ""
    with pytest.raises(UsageError, match=r"in the order 1\.0, 0\.0"):
        check_order(("0.0", "1.0"), zipped)
    said = check_order(("dog", "cat"), told((), ("cat", "dog"), origin="the file's metadata (labels)"))
    assert said == "as they were given, in another order than the file's metadata (labels)"


def test_labels_are_compared_with_what_the_scores_decide() -> None:
    scores = np.log([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])
    assert differing(["no", "yes", "yes"], scores, ("no", "yes"), ()) == 0  # a tie is either
    assert differing(["yes", "yes", "no"], scores, ("no", "yes"), ()) == 1
    assert differing([0, 1, 0], scores, ("0.0", "1.0"), ()) == 0
    assert differing([7, 9, 9], scores, ("no", "yes"), (7, 9)) == 0
    assert differing([1, 0, 0], scores, ("no", "yes"), ()) == 2
    assert differing([1, 5, 0], scores, ("no", "yes"), ()) is None
    assert differing(["no"], scores, ("no", "yes"), ()) is None


def test_the_output_of_labels_is_found() -> None:
    scores, label = Port("p", "float32", (None, 2)), Port("output_label", "int64", (None,))
    assert label_output(told((scores, label)), ("p",)) == label
    assert label_output(told((scores, Port("count", "int64", (None,)))), ("p",)) is None
    assert label_output(told((scores, Port("y", "str", (None,)))), ("p",)) == Port("y", "str", (None,))


def test_the_contract_and_the_report_say_how_many_labels_differ(tmp_path: Path) -> None:
    classes = ["no", "yes"]
    made = classifier(tmp_path / "m.onnx", classes, turned=True)
    overrides = ("data.target=answer", 'data.labels=["no", "yes"]', 'data.features=["a", "b", "c"]')
    model = onnx.load(str(made))
    helper.set_model_props(model, {"labels": "['no', 'yes']"})
    onnx.save(model, str(made))
    run = workbench.audit(
        made, task="tabular-classification", data=rows(tmp_path / "r.csv", classes), out=tmp_path,
        overrides=(*overrides, *CHEAP), device="cpu",
    )  # fmt: skip
    contract = run.read_json("onnx/contract.json")
    assert contract["outputs"] == ["sno", "syes"] and run.read_json("onnx/twin.json")["n"] == 60
    assert contract["facts"]["own_labels"] == {"output": "output_label", "n": 60, "differ": 60}
    assert sentence("output_label", 60, 60) in contract["said"]
    page = (run.path / "report.html").read_text()
    assert "The file&#39;s own labels are not what its scores decide" in page.replace("'", "&#39;")


def test_the_comparison_is_said_in_other_languages() -> None:
    with speaking("zh-CN"):
        for differ in (0, 3):
            assert "examples" not in stored(sentence("label", 9, differ))


# -- classes that do not fit ------------------------------------------------------------


def test_hints_on_classes_can_be_followed() -> None:
    def data(*labels: str) -> Dataset:
        return Dataset("d", "table", (Example("1", {}, 0, "test"),), labels)

    zipped = told((), ("no", "yes"), origin="its operator ZipMap")
    with pytest.raises(UsageError, match="the data's are high, low, mid") as e:
        labels_of(zipped, data("high", "low", "mid"), 2)
    assert "rows are of the classes that the model knows" in e.value.hint and "--labels" not in e.value.hint
    with pytest.raises(UsageError) as e:
        labels_of(zipped, data("nein", "yes"), 2)
    assert "same under other names: --labels nein,yes" in e.value.hint
    with pytest.raises(UsageError) as e:
        labels_of(told((), ("a", "b", "c")), data("x", "y"), 3)
    assert "name all 3 classes" in e.value.hint
    with pytest.raises(UsageError, match="gives 4 scores for an example, and the data have 5 classes") as e:
        labels_of(told(()), data(*"vwxyz"), 4)
    assert "--labels" not in e.value.hint and "that the model knows" in e.value.hint
    with pytest.raises(UsageError, match="gives 1 score for an example, and the data have 3 classes"):
        labels_of(told(()), data(*"xyz"), 1)
    with pytest.raises(UsageError, match="gives 1 score for an example, and there are 3 labels"):
        kind_of(np.ones((2, 1)), 3, "class", "", Audit())
