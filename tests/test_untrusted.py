"""What strangers may hand in: refused with the reason, or read in bounded time, and nothing of it is ever run."""

from __future__ import annotations

import json
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from runs import copy_of, write_data
from test_bad_input import call, refused, run, table

from workbench.backbones.own import load_own
from workbench.config import Backbone, Data, build_config
from workbench.data.confusables import look_alike, skeleton, spelt
from workbench.data.sources import load_dataset
from workbench.data.tables import read_table
from workbench.errors import ArtefactError, ConfigError, DataError
from workbench.markup import csv_cell


class Evil:
    """Unpickled, it leaves a file behind: proof that code ran."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "code-ran"


class TestPickles:
    NET = "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())\n"

    @pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.joblib", "w.npy"])
    def test_weights(self, name: str, tmp_path: Path, mark: Path) -> None:
        import torch

        path = tmp_path / name
        if name == "w.pt":
            torch.save({"a": Evil(mark)}, path)
        elif name == "w.npy":
            np.save(path, np.array([Evil(mark)], dtype=object), allow_pickle=True)
        else:
            path.write_bytes(pickle.dumps({"state_dict": Evil(mark)}))
        (tmp_path / "models.py").write_text(self.NET)
        asked = Backbone(factory=f"{tmp_path / 'models.py'}:net", weights=str(path))
        with pytest.raises(ArtefactError) as caught:
            load_own(asked, ("a", "b"))
        assert "pickled objects" in caught.value.message and name in caught.value.message
        assert "weights_only` set to" not in caught.value.message  # torch's own advice is to run it
        assert not mark.exists()

    @pytest.mark.parametrize("name", ["x.pkl", "x.joblib", "x.npy", "x.pt", "x.bin", "x.py", "x.zip", "x.tar.gz"])
    def test_data(self, name: str, tmp_path: Path, mark: Path) -> None:
        (tmp_path / name).write_bytes(pickle.dumps(Evil(mark)))
        with pytest.raises(DataError, match=r"pickled code|no code|is an archive"):
            read_table(tmp_path / name)
        assert not mark.exists()

    @pytest.mark.parametrize("start", [b"\x80\x04", b"\x93NUMPY", b"PK\x03\x04"])
    def test_an_audited_model(self, start: bytes, tmp_path: Path, mark: Path) -> None:
        path = tmp_path / "model.onnx"
        content = pickle.dumps(Evil(mark), protocol=4)
        path.write_bytes(content if start == b"\x80\x04" else start + content)
        words = ["audit", path, "--task", "tabular-regression", "--data", tmp_path / "x.csv", "--out", tmp_path / "o"]
        refused(call(*words), 4, "model.onnx", "it looks like")
        assert not mark.exists()

    def test_a_backbone_of_pickled_weights(self, tmp_path: Path, mark: Path) -> None:
        import torch

        config = write_data("texts", tmp_path)
        (tmp_path / "bert" / "model.safetensors").unlink()
        torch.save({"a": Evil(mark)}, tmp_path / "bert" / "pytorch_model.bin")
        refused(run(config), 4, "bert", "pickled weights (.bin, .pt) are refused")
        assert not mark.exists()


class TestForeignCode:
    def test_a_dataset_script(self, tmp_path: Path, mark: Path) -> None:
        folder = tmp_path / "set"
        folder.mkdir()
        (folder / "set.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
        for source in (f"hf:{folder}", str(folder), str(folder / "set.py")):
            config = build_config({"task": "text-classification", "data": {"source": source}})
            with pytest.raises(DataError) as caught:
                load_dataset(config, "text", "class")
            assert "set" in caught.value.message and caught.value.hint
        assert not mark.exists()

    @pytest.mark.parametrize("model_type", ["of-its-own", "bert"])
    def test_a_backbone_with_code_of_its_own(self, model_type: str, tmp_path: Path, mark: Path) -> None:
        """Refused where the model needs the code, left alone where transformers knows the model itself."""
        from workbench.backbones.hf import load_text

        write_data("texts", tmp_path)
        path = tmp_path / "bert" / "config.json"
        about = json.loads(path.read_text(encoding="utf-8"))
        own = {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"}
        path.write_text(json.dumps({**about, "model_type": model_type, "auto_map": own}))
        (tmp_path / "bert" / "evil.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
        if model_type == "bert":
            assert load_text(Backbone(source=str(tmp_path / "bert")), ("no", "yes"))[0].facts["runs_user_code"] is False
        else:
            with pytest.raises(ConfigError, match="code of its own, which is not run") as caught:
                load_text(Backbone(source=str(tmp_path / "bert")), ("no", "yes"))
            assert "trust_remote_code = true" in caught.value.hint
        assert not mark.exists() and Backbone().trust_remote_code is False

    def test_the_report_says_that_code_was_trusted(self, tmp_path: Path) -> None:
        made = copy_of("texts", tmp_path)
        path = made.path / "config.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("trust_remote_code = false", "trust_remote_code = true"), encoding="utf-8")
        assert call("report", made.path, "-q").exit_code == 0
        page = (made.path / "report.html").read_text(encoding="utf-8")
        assert "Code that came with the downloaded model ran" in page and "backbone.trust_remote_code" in page


class TestPaths:
    def test_links_out_of_the_data_folder(self, tmp_path: Path) -> None:
        config = write_data("pictures", tmp_path)
        outside = shutil.copy(tmp_path / "pictures" / "red" / "100.png", tmp_path / "outside.png")
        link = tmp_path / "pictures" / "red" / "link.png"
        link.symlink_to(outside)
        refused(run(config), 3, "red/link.png", "a symbolic link that leaves the data folder")
        link.unlink()
        (tmp_path / "pictures" / "other").symlink_to(tmp_path.parent, target_is_directory=True)
        refused(run(config), 3, "other", "a symbolic link that leaves the data folder")
        (tmp_path / "tables").mkdir()
        (tmp_path / "tables" / "train.csv").symlink_to("/etc/passwd")
        refused(run(config, "--set", f"data.source={str(tmp_path / 'tables')!r}"), 3, "train.csv", "symbolic link")

    @pytest.mark.parametrize("name", ["../outside.png", "a/../../outside.png", "/etc/passwd.png"])
    def test_pictures_that_a_table_seeks_elsewhere(self, name: str, tmp_path: Path) -> None:
        config = write_data("labelled-pictures", tmp_path)
        shutil.copy(tmp_path / "pictures" / "00.png", tmp_path / "outside.png")
        path = tmp_path / "pictures" / "metadata.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([lines[0], f"{name},red", *lines[2:]]) + "\n", encoding="utf-8")
        refused(run(config), 3, "metadata.csv, row 1", "outside the data folder")

    @pytest.mark.parametrize("name", ["..", "../x", "/tmp/x", ".", "a\\..\\b/.."])
    def test_names_of_runs(self, name: str, tmp_path: Path) -> None:
        refused(run(write_data("values", tmp_path), "--set", f"name={name!r}"), 2, "is not a folder's name")


class TestSizes:
    def load(self, path: Path, modality: str, kind: str, **data: object) -> object:
        task = {"text": "text-classification", "table": "tabular-classification"}[modality]
        section = Data(source=str(path), **data).model_dump(exclude_defaults=True)  # type: ignore[arg-type]
        return load_dataset(build_config({"task": task, "data": section}), modality, kind)

    def test_a_text_of_ten_megabytes(self, tmp_path: Path) -> None:
        rows = [f"river {i},{'yes' if i % 2 else 'no'}" for i in range(40)]
        (tmp_path / "t.csv").write_text("text,label\n" + "\n".join([*rows, f"{'word ' * 1_999_999},yes"]) + "\n")
        begun = time.process_time()
        dataset = self.load(tmp_path / "t.csv", "text", "class")
        assert len(dataset.examples) == 41 and time.process_time() - begun < 10  # type: ignore[attr-defined]
        (tmp_path / "t.csv").write_text("text,label\n" + "\n".join([*rows, f"{'word ' * 2_000_001},yes"]) + "\n")
        with pytest.raises(DataError, match=r"row 41, column 'text': a cell of 10,000,005 characters"):
            self.load(tmp_path / "t.csv", "text", "class")

    def test_a_table_of_five_thousand_columns(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        head = ",".join([*(f"c{i}" for i in range(5000)), "label"])
        rows = [",".join([*(f"{v:.2f}" for v in rng.normal(size=5000)), "yes" if i % 2 else "no"]) for i in range(60)]
        (tmp_path / "t.csv").write_text("\n".join([head, *rows]) + "\n")
        begun = time.process_time()
        dataset = self.load(tmp_path / "t.csv", "table", "class", target="label")
        assert len(dataset.columns) == 5000 and time.process_time() - begun < 20  # type: ignore[attr-defined]

    def test_a_table_too_wide_to_be_explained_is_refused_before_anything_is_trained(self, tmp_path: Path) -> None:
        config = write_data("values", tmp_path)
        head, *rows = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
        wide = [head + "".join(f",c{i}" for i in range(998)), *(row + ",1.5,2.5" * 499 for row in rows)]
        (tmp_path / "table.csv").write_text("\n".join(wide) + "\n")
        refused(run(config), 3, "table.csv", "1,001 columns", "at most 1,000", "data.ignore", "explain.samples=0")
        assert not (tmp_path / "out" / "values" / "tuned").exists()

    def test_labels_with_ten_thousand_classes(self, tmp_path: Path) -> None:
        rows = [f"river {i} {k},class {i}" for i in range(10_000) for k in range(4)]
        (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
        begun = time.process_time()
        dataset = self.load(tmp_path / "t.csv", "text", "class")
        assert len(dataset.labels) == 10_000 and time.process_time() - begun < 20  # type: ignore[attr-defined]
        (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows[::4]) + "\n")
        with pytest.raises(DataError, match="these are no classes"):
            self.load(tmp_path / "t.csv", "text", "class")

    def test_more_scores_than_can_be_evaluated_are_refused_before_anything_is_trained(self, tmp_path: Path) -> None:
        rows = [f"{i / 7:.3f},{k},class {i}" for i in range(10_000) for k in range(4)]
        (tmp_path / "t.csv").write_text("a,b,label\n" + "\n".join(rows) + "\n")
        config = tmp_path / "many.toml"
        config.write_text('task = "tabular-classification"\n[data]\nsource = "t.csv"\ntarget = "label"\n')
        named = ("t.csv", "40,000 examples of 10,000 labels", "400,000,000 scores", "--set data.limit=1666")
        refused(run(config), 3, *named)
        assert not (tmp_path / "out" / "many" / "tuned").exists()


class TestFormulas:
    CELLS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "−1+1", "＝1")

    @pytest.mark.parametrize("cell", CELLS)
    def test_a_cell_is_marked_as_text(self, cell: str) -> None:
        assert csv_cell(cell) == f"'{cell}"

    @pytest.mark.parametrize("cell", ["-5", "+3.2", "-1e-5", "yes", "a=b", "", 1.5, None])
    def test_numbers_and_other_text_stay(self, cell: object) -> None:
        assert csv_cell(cell) == cell

    def test_exported_predictions(self, tmp_path: Path) -> None:
        made = copy_of("classes", tmp_path)
        rows = [f'"{cell.strip()}",1,1,red' for cell in ("=1+1", "@x", "-7")]
        (tmp_path / "new.csv").write_text("id,size,age,colour\n" + "\n".join(rows) + "\n", encoding="utf-8")
        result = call("predict", made.path, "--input", tmp_path / "new.csv", "--out", tmp_path / "out.csv")
        assert result.exit_code == 0, result.stderr
        cells = [line.split(",")[0] for line in (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()]
        assert cells == ["id", "'=1+1", "'@x", "-7"]


class TestLookAlikes:
    def test_skeletons(self) -> None:
        assert skeleton("уеs") == skeleton("yes") == skeleton("YES") == skeleton("y\u200bes") == skeleton("ｙｅｓ")
        assert look_alike(["yes", "yеs", "no", "other"]) == [("yes", "yеs")]
        assert look_alike(["a", "b", "ab", "1", "l"]) == []
        assert spelt("yеs") == "'yеs' (U+0435)" and spelt("yes") == "'yes'"

    def test_a_finding_names_the_characters(self, tmp_path: Path) -> None:
        config = table(
            tmp_path,
            lambda s: [s[0], *(x.replace(",yes", ",y\u0435s") if i % 4 == 0 else x for i, x in enumerate(s[1:]))],
            "texts",
            "texts.csv",
        )
        from workbench.config import read_config
        from workbench.data.checks import check

        dataset = load_dataset(read_config(config), "text", "class")
        (finding,) = [f for f in check(dataset) if f["check"] == "look_alike_labels"]
        assert finding["level"] == "warning" and "U+0435" in finding["sentence"]
