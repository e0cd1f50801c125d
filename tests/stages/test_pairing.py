"""What two runs can be compared on: refusals that name their reason, and what is in common."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from runs import KINDS, copy_of, made

from workbench.errors import DataError, UsageError
from workbench.records import read_predictions, write_predictions
from workbench.run import Run
from workbench.stages.pairing import pair_runs
from workbench.stages.session import Session
from workbench.types import ClassScores, LabelScores


def session(run: Run) -> Session:
    return Session.open(run.path, device="cpu")


def other(tmp_path: Path, kind: str = "classes") -> Run:
    """A copy whose data claim to be others."""
    run = copy_of(kind, tmp_path)
    fingerprint = run.read_json("data/fingerprint.json")
    run.write_json("data/fingerprint.json", fingerprint | {"sha256": "0" * 64})
    return run


def edit(run: Run, change: object) -> pd.DataFrame:
    """Change data/splits.parquet in place."""
    path = run.path / "data" / "splits.parquet"
    frame = pq.read_table(path).to_pandas()
    change(frame)  # type: ignore[operator]
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return frame


def test_equal_data_are_compared_whole(tmp_path: Path) -> None:
    paired = pair_runs(session(made("classes")), session(copy_of("classes", tmp_path)))
    test = read_predictions(made("classes"), "onnx").splits == "test"
    assert len(paired.before.ids) == test.sum() and paired.notes == ()
    assert paired.before.ids.tolist() == paired.after.ids.tolist()


def test_two_tasks_are_refused() -> None:
    with pytest.raises(DataError, match="two tasks") as e:
        pair_runs(session(made("classes")), session(made("values")))
    assert "tabular-regression" in e.value.message and e.value.exit_code == 3


def test_another_unit_is_refused(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    found = read_predictions(run, "onnx")
    write_predictions(run, "onnx", type(found)(**{**vars(found), "unit": "$"}))
    with pytest.raises(DataError, match=r"predicts in €, .* in \$"):
        pair_runs(session(made("values")), session(run))


@pytest.mark.parametrize("kind", KINDS)
def test_other_data_are_refused_with_the_way_out(kind: str, tmp_path: Path) -> None:
    run = other(tmp_path, kind)
    with pytest.raises(DataError, match="different data") as e:
        pair_runs(session(made(kind)), session(run))
    assert "--on common" in e.value.hint
    paired = pair_runs(session(made(kind)), session(run), on="common")
    assert paired.before.ids.tolist() == paired.after.ids.tolist()
    found = read_predictions(run, "onnx")
    assert set(paired.before.ids) == set(found.ids[found.splits == "test"])


def test_other_splits_are_named(tmp_path: Path) -> None:
    run = other(tmp_path)

    def move(frame: pd.DataFrame) -> None:
        frame.loc[frame.index[:3], "split"] = ["train", "validation", "test"]

    before = pq.read_table(run.path / "data/splits.parquet").to_pandas()
    after = edit(run, move)
    moved = int((before["split"] != after["split"]).sum())
    with pytest.raises(DataError, match=rf"splits of the two runs differ: {moved} of 60"):
        pair_runs(session(made("classes")), session(run))


def relabel(run: Run, labels: tuple[str, ...], extra: bool = False) -> None:
    """Predictions of the deployed model under other labels; `extra` adds a class that is often the answer."""
    found = read_predictions(run, "onnx")
    assert isinstance(found, ClassScores)
    logits = np.column_stack([found.logits, found.logits.max(axis=1) + 1]) if extra else found.logits
    write_predictions(run, "onnx", ClassScores(found.ids, found.splits, found.targets, logits, labels, found.groups))


def test_labels_that_differ_are_named_and_those_in_common_compared(tmp_path: Path) -> None:
    run = other(tmp_path)
    relabel(run, ("no", "yes", "perhaps"), extra=True)
    with pytest.raises(DataError, match="only classes knows 'perhaps'") as e:
        pair_runs(session(made("classes")), session(run))
    assert "--on common" in e.value.hint
    paired = pair_runs(session(made("classes")), session(run), on="common")
    assert isinstance(paired.after, ClassScores) and paired.after.labels == ("no", "yes")
    assert np.array_equal(paired.before.predicted, paired.after.predicted)  # among the two the copy answers alike
    assert any("2 labels" in n for n in paired.notes)


def test_labels_in_another_order_are_the_same_labels(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    found = read_predictions(run, "onnx")
    assert isinstance(found, ClassScores)
    turned = ClassScores(found.ids, found.splits, 1 - found.targets, found.logits[:, ::-1], ("yes", "no"), found.groups)
    write_predictions(run, "onnx", turned)
    paired = pair_runs(session(made("classes")), session(run))
    assert isinstance(paired.before, ClassScores) and isinstance(paired.after, ClassScores)
    assert paired.after.labels == ("no", "yes") and np.allclose(paired.before.logits, paired.after.logits)
    assert np.array_equal(paired.before.targets, paired.after.targets)


def test_one_label_in_common_is_too_few(tmp_path: Path) -> None:
    run = other(tmp_path)
    relabel(run, ("no", "perhaps"))
    with pytest.raises(DataError, match="have 1 label in common; two are needed"):
        pair_runs(session(made("classes")), session(run), on="common")


def test_only_equal_inputs_and_targets_are_in_common_and_leaks_are_said(tmp_path: Path) -> None:
    run = other(tmp_path)
    test = read_predictions(run, "onnx")
    ids = [str(i) for i in test.ids[test.splits == "test"]]

    def change(frame: pd.DataFrame) -> None:
        frame.index = pd.Index(frame["id"])
        frame.loc[ids[0], "sha256"] = "1" * 64  # another input
        frame.loc[ids[1], "target"] = "perhaps"  # another target
        frame.loc[ids[2], "split"] = "train"  # not in the other's test split
        train = frame.index[frame["split"] == "train"][0]
        frame.loc[train, "sha256"] = frame.loc[ids[3], "sha256"]  # trained on

    edit(run, change)
    paired = pair_runs(session(made("classes")), session(run), on="common")
    assert paired.before.ids.tolist() == ids[3:]
    text = " ".join(paired.notes)
    for said in (f"1 of {len(ids)} test examples of classes", "another input", "another target", "1 of the compared"):
        assert said in text, (said, text)


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    run = other(tmp_path)
    edit(run, lambda frame: frame.update({"sha256": [f"{i:064d}" for i in range(len(frame))]}))
    with pytest.raises(DataError, match="no test example in common"):
        pair_runs(session(made("classes")), session(run), on="common")


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(UsageError, match="--on all"):
        pair_runs(session(made("classes")), session(made("classes")), on="all")


def test_labels_of_multi_label_runs_are_refused_or_restricted(tmp_path: Path) -> None:
    a, b = session(made("labelled-texts")), copy_of("labelled-texts", tmp_path)
    found = read_predictions(b, "onnx")
    assert isinstance(found, LabelScores)
    renamed = tuple("plant" if name == "fruit" else name for name in found.labels)
    write_predictions(b, "onnx", dataclasses.replace(found, labels=renamed))
    with pytest.raises(DataError, match=r"only .* knows 'fruit'.*only .* knows 'plant'") as refused:
        pair_runs(a, session(b))
    assert "--on common" in str(refused.value.hint)
    paired = pair_runs(a, session(b), on="common")
    shared = [k for k, name in enumerate(found.labels) if name != "fruit"]
    test = found.splits == "test"
    for side in (paired.before, paired.after):
        assert isinstance(side, LabelScores) and side.labels == ("beast", "metal")
        np.testing.assert_array_equal(side.logits, found.logits[test][:, shared])
        np.testing.assert_array_equal(side.thresholds, found.thresholds[shared])
        np.testing.assert_array_equal(side.targets, found.targets[test][:, shared])
    assert any("Only the 2 labels that both runs know are compared: 'beast', 'metal'" in n for n in paired.notes)
    none = dataclasses.replace(found, labels=("x", "y", "z"))
    write_predictions(b, "onnx", none)
    with pytest.raises(DataError, match="no labels in common; one is needed"):
        pair_runs(a, session(b), on="common")
