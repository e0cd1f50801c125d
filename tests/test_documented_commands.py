"""Every command that README.md, CONTRIBUTING.md and docs/ print is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from workbench.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
QUICK = ("workbench list tasks", "workbench --help", "workbench list explainers", "workbench doctor")


def commands() -> list[tuple[str, str]]:
    """(page, command) of every `workbench ...` in a block or between backticks."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)
        lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        inline = re.findall(r"`(workbench [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
        for line in [*lines, *(" ".join(part.split()) for part in inline)]:
            if line.strip().startswith("workbench "):
                found.append((page.name, line.strip().partition("  #")[0].strip()))
    return sorted(set(found))


def parsed(command: str) -> tuple[str, set[str]]:
    """The command's name and the options that it is given."""
    words = shlex.split(command.replace("...", ""), comments=True)
    return words[1], {w.partition("=")[0] for w in words[2:] if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", w)}


def options() -> dict[str, set[str]]:
    """Every option of every command, as the program itself says."""
    group = typer.main.get_command(app)
    return {
        name: {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


def test_pages_print_commands() -> None:
    assert len(commands()) > 25


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_printed_command_is_taken(page: str, command: str) -> None:
    name, given = parsed(command)
    known = options()
    if name in ("--help", "--version"):
        return
    assert name in known, f"{page}: {command}"
    assert given <= known[name], f"{page}: {command}: {given - known[name]}"


@pytest.mark.parametrize("command", QUICK)
def test_quick_ones_run(command: str) -> None:
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code in (0, 5), result.output  # 5: a part is not installed, which is said
