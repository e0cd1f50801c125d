"""Documentation that cannot drift: docstrings, registries, the config's page, the tree of errors."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench import config, errors, registry

ROOT = Path(workbench.__file__).resolve().parent
CHECKOUT = ROOT.parent
DOCS = CHECKOUT / "docs"


def load_script(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_config_is_current() -> None:
    page = load_script(DOCS / "make_config.py").config_page()
    assert (DOCS / "config.md").read_text(encoding="utf-8") == page, "run python docs/make_config.py"
    for section in config.Config.model_fields.values():
        for name in getattr(section.annotation, "model_fields", {}):
            assert f"| `{name}` |" in page


@pytest.mark.parametrize("table", list(registry.TABLES))
def test_every_entry_loads_and_says_what_it_is(table: str) -> None:
    for name, text in registry.names(table).items():
        assert callable(registry.load(table, name)) or hasattr(registry.load(table, name), "name"), name
        assert text and (text[0].isupper() or text[0].isdigit()) and text.endswith("."), f"{name}: {text!r}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_what_is_public_says_what_it_does(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    for node in [tree, *named]:
        text = ast.get_docstring(node)
        where = getattr(node, "name", "the module")
        assert text, f"{path.name}: {where} has no docstring"
        whole = text.partition("\n\n")[0].rstrip()
        assert whole.endswith((".", ":", "?")), f"{path.name}, {where}: the first sentence does not end: {whole!r}"


def tree_in_the_docstring() -> list[tuple[str, int, int]]:
    """(name, depth, exit code) of every line of the tree drawn on top of errors.py."""
    found = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"((?:[│ ] {3})*(?:[├└]── )?)(\w+) +(\d|exit code)\b.*", line)
        if match:
            code = 1 if match[3] == "exit code" else int(match[3])
            found.append((match[2], len(match[1]) // 4, code))
    return found


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = tree_in_the_docstring()
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, Exception)]
    assert sorted(name for name, _, _ in drawn) == sorted(c.__name__ for c in classes)
    path: list[str] = []
    for name, depth, code in drawn:
        made = getattr(errors, name)
        assert made.exit_code == code, name
        path[depth:] = [name]
        assert made.__base__.__name__ == (path[depth - 1] if depth else "Exception"), name


def test_every_error_has_an_exit_code_of_the_contract() -> None:
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, errors.WorkbenchError)]
    assert {c.exit_code for c in classes} == {1, 2, 3, 4, 5, 6}


def test_only_errors_of_ours_are_raised_on_purpose() -> None:
    """`raise X(...)` outside of tests names a class of errors.py, or says that the caller has a bug."""
    known = {n for n, c in vars(errors).items() if inspect.isclass(c)}
    bugs = {"ValueError", "TypeError", "AttributeError"}  # of one function to another, never of a user
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                name = node.exc.func.id
                assert name in known | bugs or name.startswith("_"), f"{path.name}:{node.lineno} raises {name}"


def test_the_package_speaks_of_itself_alone() -> None:
    for path in [*ROOT.rglob("*.py"), *DOCS.glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert "TODO" not in text and "FIXME" not in text, path
