"""Who may import whom: the rooms of the design as a table, and what a light import may load."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import workbench

ROOT = Path(workbench.__file__).resolve().parent

# A room imports only rooms of lower number, or itself; equal numbers never meet.
ORDER = {
    "errors": 0,
    "assets": 0,
    "language": 0.1,
    "metric_table": 0,
    "types": 0.1,
    "places": 0.1,
    "markup": 0.1,
    "config_text": 0.2,
    "locking": 0.2,
    "chromium": 0.3,
    "jsontext": 0.3,
    "config_audit": 0.3,
    "run": 1,
    "config": 1,
    "policy": 1,
    "registry": 1,
    "stats": 1,
    "engines": 1.1,
    "archive": 1.1,
    "sealing": 1.1,
    "spool": 1.05,
    "records": 1.1,
    "data": 1.1,
    "modalities": 2,
    "asking": 2,
    "coalitions": 2,
    "kernels": 2,
    "kriging": 2.1,
    "trees": 2,
    "probe": 2.1,
    "bank": 2.2,
    "explainers": 3,
    "quality": 3,
    "metrics": 3,
    "backbones": 3,
    "tasks": 4,
    "stages": 5,
    "report": 5,
    "terminal": 6,
    "reporting": 5.5,
    "tracking": 5.5,
    "pipeline": 6,
    "verification": 6,
    "inspection": 6,
    "cli_export": 6.1,
    "cli_report": 6.1,
    "auditing": 6.1,
    "cli_audit": 6.2,
    "cli_keeping": 6.5,
    "cli": 7,
    "__main__": 8,
}
# Above level 1, only the stages read data; a modality decodes its pictures as the data room does.
READS_DATA = {"modalities.image": {"data.pictures"}}
HEAVY = ("torch", "transformers", "captum", "shap", "lime", "datasets", "onnxruntime", "peft", "accelerate")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def modules() -> dict[str, Path]:
    """Every module by its name below `workbench`."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "_assets" not in parts:
            found[".".join(parts).removesuffix(".__init__").removesuffix("__init__")] = path
    return found


MODULES = modules()


@cache
def imports(module: str, *, whole: bool = True) -> frozenset[str]:
    """Modules below `workbench` that one imports; `whole`: inside functions too, type checking left out."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not whole:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module is not None
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {name for name in deeper if name.removeprefix("workbench.") in MODULES}
            found |= known or {node.module}
        pending += ast.iter_child_nodes(node)
    own = {name.removeprefix("workbench.") for name in found if name.startswith("workbench.")}
    return frozenset(own & MODULES.keys())


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_room_has_its_place() -> None:
    assert {room(m) for m in MODULES if m} == set(ORDER)


@pytest.mark.parametrize("module", [m for m in MODULES if m])
def test_imports_point_down(module: str) -> None:
    for other in imports(module):
        if room(module) != room(other):
            assert ORDER[room(other)] < ORDER[room(module)], f"workbench.{module} imports workbench.{other}"


def test_only_stages_read_data() -> None:
    found = {m: {o for o in imports(m) if room(o) == "data"} for m in MODULES if room(m) not in ("data", "stages")}
    assert {m: others for m, others in found.items() if others} == READS_DATA


def test_the_report_knows_neither_tasks_nor_models() -> None:
    seen, pending = set(), [m for m in MODULES if room(m) == "report"]
    while pending:
        module = pending.pop()
        if module not in seen:
            seen.add(module)
            pending += imports(module)
    assert not {room(m) for m in seen} & {"tasks", "backbones", "stages", "explainers", "modalities", "pipeline"}


def test_no_module_imports_itself_in_a_circle() -> None:
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"circle: {' -> '.join((*path, module))}"
        if module in done:
            return
        for other in imports(module, whole=False):
            walk(other, (*path, module))
        done.add(module)

    for module in MODULES:
        walk(module, ())
    assert done == MODULES.keys()


@pytest.mark.parametrize("module", ["cli", "config", "registry", "run", "errors", "assets", "", "stages.init"])
def test_what_every_command_imports_is_light(module: str) -> None:
    loaded = loaded_by(f"import {f'workbench.{module}'.rstrip('.')}")
    assert not loaded & {*HEAVY, "numpy", "pandas", "scipy", "sklearn", "pyarrow", "PIL", "jinja2", "altair"}


@pytest.mark.parametrize("module", ["report.build", "report.index"])
def test_a_report_loads_no_model(module: str) -> None:
    loaded = loaded_by(f"import workbench.{module}")
    assert not loaded & set(HEAVY)
    assert not {m for m in loaded if m.startswith(("workbench.tasks", "workbench.backbones", "workbench.stages"))}


@pytest.mark.parametrize(
    "module", ["pipeline", "stages.session", "tasks.text_classification", "metrics.paired", "bank", "data.sources"]
)
def test_models_are_loaded_where_they_are_needed(module: str) -> None:
    assert not loaded_by(f"import workbench.{module}") & set(HEAVY)


def test_importing_changes_nothing() -> None:
    """No module writes, prints, sets the environment, seeds or filters warnings on import."""
    names = [m for m in ("", *MODULES) if not m.startswith("backbones") and room(m) != "explainers"]
    code = f"""
import os, random, sys, warnings, logging
import numpy, pandas, scipy.stats, pyarrow.parquet, PIL.Image, pydantic, typer, rich, jinja2, sklearn.metrics
environment, filters, state = dict(os.environ), list(warnings.filters), random.getstate()
drawn = numpy.random.get_state()[1].tolist()
handlers, hook = list(logging.root.handlers), sys.excepthook
sys.addaudithook(lambda event, args: (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wa+")
    and args[0] != os.devnull and print("opens", args[0])))
sys.dont_write_bytecode = True
import importlib
for name in {names!r}:
    importlib.import_module(("workbench." + name).rstrip("."))
assert dict(os.environ) == environment, set(os.environ) ^ set(environment)
assert random.getstate() == state and numpy.random.get_state()[1].tolist() == drawn
assert logging.root.handlers == handlers and sys.excepthook is hook
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def loaded_by(code: str) -> set[str]:
    """Names in `sys.modules` of a fresh interpreter after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(chr(10).join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_no_module_is_called_after_nothing() -> None:
    names = {part for m in MODULES for part in m.split(".")}
    assert not names & FORBIDDEN_NAMES


def test_every_package_is_found() -> None:
    packages = {m.name for m in pkgutil.walk_packages([str(ROOT)]) if m.ispkg}
    folders = {p.parent.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py")} - {"."}
    nested = {f for f in folders if "/" in f}  # these are found once their parent is imported
    assert nested == {"report/sections"} and packages == folders - nested


def test_public_names_are_there() -> None:
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        importlib.import_module("workbench").nothing  # noqa: B018
