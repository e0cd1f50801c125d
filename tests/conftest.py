"""The order of the tests: what takes longest begins first, so that no core waits for another at the end."""

from __future__ import annotations

import pytest

LONGEST = ("test_many_explained.py", "test_load.py", "test_killed.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
