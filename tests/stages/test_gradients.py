"""The gradient graph of whole runs: what ships is what is explained, with torch or without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import copy_of, made
from typer.testing import CliRunner

from workbench.backbones.gradients import PARITY, GradientBackbone
from workbench.backbones.onnx import OnnxBackbone
from workbench.cli import app
from workbench.errors import ArtefactError
from workbench.explainers import find_method, run_explainer
from workbench.inspection import inspect_one
from workbench.records import read_attributions
from workbench.run import hash_file
from workbench.stages.explain import Asked
from workbench.stages.gradients import write_gradients
from workbench.stages.session import GRAPH, Session

KINDS = ("pictures", "texts", "classes", "values", "labelled-texts", "labelled-rows")
LIGHT = Path(__file__).parents[2] / "docs" / "deploy.md"
# What is not there on a small machine beside the deployed model.
HIDDEN = (
    *("torch", "transformers", "captum", "shap", "lime", "datasets", "sklearn", "accelerate", "peft", "onnx"),
    "threadpoolctl",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_explains_what_ships_and_torch_would_say_the_same(kind: str) -> None:
    """Integrated gradients of the run, which came from the file, against those of the trained network."""
    run = made(kind)
    session = Session.open(run.path, device="cpu")
    proved = run.read_json(PARITY)["gradients"]
    assert proved["passed"] and proved["max_error"] <= 1e-4 and proved["binding"]["correlation"] > 0.999
    assert run.manifest["files"][GRAPH] == hash_file(run.path / GRAPH) == proved["sha256"]
    assert not (run.path / "tuned" / "attributions").exists()
    asked = Asked(session)
    cases = {c["id"]: c for c in asked.cases}
    method = find_method("integrated-gradients")
    for found in read_attributions(run, "onnx", method.name, cases):
        assert found.params["gradients"] == "onnxruntime"
        probe = asked.probe(cases[found.example_id], "tuned")
        there = run_explainer(method, probe, seed=session.config.seed)
        assert there.params["gradients"] == "torch"
        scale = max(float(np.abs(there.values).max()), 1e-3)
        np.testing.assert_allclose(found.values, there.values, rtol=1e-4, atol=1e-4 * scale)
        assert found.score == pytest.approx(there.score, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", ["gradient-shap", "gradient-times-input", "grad-cam"])
def test_every_gradient_method_is_the_same_by_the_file_and_by_torch(name: str) -> None:
    session = Session.open(made("pictures").path, device="cpu")
    asked, method = Asked(session), find_method(name)
    case = asked.cases[0]
    assert asked.model_for(case, method, "onnx", "tuned") == "onnx"
    file, torch = (run_explainer(method, asked.probe(case, m), seed=3) for m in ("onnx", "tuned"))
    np.testing.assert_allclose(file.values, torch.values, rtol=1e-3, atol=1e-4 * np.abs(torch.values).max())
    if name == "grad-cam":
        assert file.params["layer"] == torch.params["layer"] and file.params["grid"] == torch.params["grid"]
    deep = find_method("deep-lift")  # its rules need the network's layers
    assert asked.model_for(case, deep, "onnx", "tuned") == "tuned"


def without_graph(kind: str, folder: Path) -> Any:
    """A run as it was made before there were gradient graphs."""
    run = copy_of(kind, folder)
    (run.path / GRAPH).unlink()
    parity = run.read_json(PARITY)
    del parity["gradients"]
    run.write_json(PARITY, parity)
    return run


def test_a_run_without_the_graph_is_explained_by_torch_as_before(tmp_path: Path) -> None:
    run, with_it = without_graph("classes", tmp_path), made("classes")
    session = Session.open(run.path, device="cpu")
    assert type(session.onnx) is OnnxBackbone and not session.gradients
    assert isinstance(Session.open(with_it.path, device="cpu").onnx, GradientBackbone)
    row = json.dumps({"size": 0.5, "age": -1.0, "colour": "red"})
    old, new = (inspect_one(r.path, input=row, out=tmp_path / r.path.parent.name, before=False) for r in (run, with_it))
    name = "integrated-gradients"
    assert old["methods"]["after"][name]["model"] == "tuned" and new["methods"]["after"][name]["model"] == "onnx"
    mine, theirs = (np.array(d["methods"]["after"][name]["values"]) for d in (new, old))
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
    assert [n["id"] for n in new["familiar"]["neighbours"]] == [n["id"] for n in old["familiar"]["neighbours"]]


def test_tampering_is_found_by_verify_and_before_it_is_used(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    path = run.path / GRAPH
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert f"{GRAPH} has changed" in run.verify()
    done = CliRunner().invoke(app, ["verify", str(run.path)])
    assert done.exit_code == 1 and GRAPH in done.output + done.stderr
    with pytest.raises(ArtefactError, match=r"explain\.onnx is not the file") as caught:
        inspect_one(run.path, input='{"size": 0.5, "age": 1, "colour": "red"}', out=tmp_path / "page")
    assert caught.value.exit_code == 4 and caught.value.hint


def test_a_model_that_has_no_gradient_graph_goes_on_with_the_reason(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    session = Session.open(run.path, device="cpu")
    found = write_gradients(session, None, None, {}, "the operator Foo has no gradient here", None, np.array([0]))
    assert found == {"passed": False, "reason": "the operator Foo has no gradient here"}
    assert not (run.path / GRAPH).exists()
    run.write_json(PARITY, run.read_json(PARITY) | {"gradients": found})
    assert CliRunner().invoke(app, ["report", str(run.path), "-q"]).exit_code == 0
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "the operator Foo has no gradient here" in page and "no gradient graph" in page


# -- a small machine ----------------------------------------------------------------------

_INSPECT = """
import json, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
sys.meta_path.insert(0, Hide())
from workbench.inspection import inspect_one
run, how, value, out = sys.argv[1:]
found = inspect_one(run, **{how: value}, out=out, device="cpu")
used = {m.partition(".")[0] for m, v in sys.modules.items() if "site-packages" in (getattr(v, "__file__", "") or "")}
print(json.dumps({"used": sorted(used), "page": found["page"]}))
"""


def inspected_without_torch(kind: str, how: str, value: str, out: Path) -> tuple[dict[str, Any], set[str]]:
    """The document of one inspection in a process of its own, and the packages that it imported."""
    call = [sys.executable, "-c", _INSPECT % (HIDDEN,), str(made(kind).path), how, value, str(out)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert Path(said["page"]).is_file()
    return json.loads((out / "inspect.json").read_text(encoding="utf-8")), set(said["used"])


@pytest.mark.parametrize("kind", ["texts", "pictures", "classes"])
def test_inspect_needs_neither_torch_nor_the_explainers_libraries(kind: str, tmp_path: Path) -> None:
    value = {
        "texts": "river good stone letter",
        "pictures": str(sorted(made("pictures").path.parents[1].rglob("*.png"))[0]),
        "classes": json.dumps({"size": 0.5, "age": -1.0, "colour": "red"}),
    }[kind]
    light, used = inspected_without_torch(kind, "input", value, tmp_path / "light")
    full = inspect_one(made(kind).path, input=value, out=tmp_path / "full", device="cpu", before=False)
    # A new text is not put to the model before, which takes as long again; of pictures that is a file of the run too.
    assert (light["before"] is None) == (kind != "pictures") and (full["before"] is None) == (kind == "texts")
    for name, mine in light["methods"]["after"].items():
        assert mine["values"] == pytest.approx(full["methods"]["after"][name]["values"], rel=1e-6, abs=1e-9), name
        assert mine["quality"] == full["methods"]["after"][name]["quality"]
    for part in ("decision", "contrast", "counterfactual", "familiar"):
        assert light[part] == full[part]
    page = (tmp_path / "light" / "inspect.html").read_text(encoding="utf-8")
    assert ("needs torch" in page) == (kind != "pictures")
    if kind == "pictures":
        assert light["before"] == full["before"] and set(light["methods"]["before"]) == set(light["methods"]["after"])
    documented = packages()
    names = {"PIL": "pillow", "skimage": "scikit-image", "dateutil": "pandas", "markupsafe": "jinja2"}
    names |= {"yaml": "pyyaml"}
    named = {names.get(m, m).replace("_", "-").lower() for m in used if not m.startswith("_")}
    own = {"annotated-types", "pydantic-core", "typing-extensions", "typing-inspection", "lazy-loader", "cloudpickle"}
    own.add("charset-normalizer")  # numpy takes it along where it happens to be
    assert named - own - {"six", "tomli-w", "pytz"} <= documented, named - own - documented


def packages() -> set[str]:
    """The packages that docs/deploy.md tells to install."""
    lines = LIGHT.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("pip install numpy"))
    return set(" ".join([lines[start].removeprefix("pip install"), lines[start + 1]]).replace("\\", " ").split())


def test_an_example_that_the_run_did_not_explain_is_inspected_without_torch_too(tmp_path: Path) -> None:
    run = made("texts")
    explained = {c["id"] for c in run.read_json("cases.json")["cases"]}
    other = next(e for e in Session.open(run.path).dataset.split("test") if e.id not in explained)
    light, _ = inspected_without_torch("texts", "id", other.id, tmp_path / "light")
    assert light["before"]["label"] and "values" in light["methods"]["after"]["integrated-gradients"]
