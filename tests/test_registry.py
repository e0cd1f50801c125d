"""Names: lazy loading, suggestions, entry points, no name taken twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workbench import registry
from workbench.errors import UnknownName, UsageError


def plug(monkeypatch: pytest.MonkeyPatch, group: str, **points: str) -> None:
    """As if an installed package registered names in a group of entry points."""
    found = [SimpleNamespace(name=n, value=v, dist=SimpleNamespace(name="a-package")) for n, v in points.items()]

    def entry_points(*, group: str) -> list[Any]:
        return found if group == wanted else []

    wanted = f"workbench.{group}"
    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.mark.parametrize("table", ["tasks", "explainers", "controls", "metrics", "fixtures"])
def test_an_unknown_name_has_a_suggestion(table: str) -> None:
    name = next(iter(registry.names(table)))
    with pytest.raises(UnknownName, match=repr(name + "x")) as caught:
        registry.load(table, name + "x")
    assert caught.value.hint == f"did you mean {name!r}?" and caught.value.exit_code == 2
    with pytest.raises(UnknownName) as caught:
        registry.load(table, "§")
    assert all(known in caught.value.hint for known in registry.names(table))


def test_kinds_are_named_in_the_singular() -> None:
    with pytest.raises(UnknownName, match="unknown task 'x'"):
        registry.load("tasks", "x")


def test_a_package_adds_names_by_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, "tasks", **{"audio-classification": "json:loads"})
    assert registry.names("tasks")["audio-classification"] == "From a-package."
    assert registry.load("tasks", "audio-classification")("[1]") == [1]
    assert "audio-classification" not in registry.names("metrics")


def test_a_name_is_not_taken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, "explainers", lime="json:loads")
    with pytest.raises(UsageError, match=r"'json:loads' registers explainers name 'lime'") as caught:
        registry.names("explainers")
    assert "uninstall" in caught.value.hint


def test_no_name_is_in_two_tables_that_one_word_could_mean() -> None:
    assert not registry.names("explainers").keys() & registry.names("controls").keys()


@pytest.mark.parametrize(("table", "attribute"), [("tasks", "name"), ("explainers", "name"), ("controls", "name")])
def test_entries_know_their_own_name(table: str, attribute: str) -> None:
    for name in registry.names(table):
        assert getattr(registry.load(table, name), attribute) == name
