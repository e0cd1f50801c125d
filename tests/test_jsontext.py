"""JSON files: what is read is what was written, and how the lines are broken."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.jsontext import json_text

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner, max_size=3).map(tuple)
)


@given(VALUES, st.integers(0, 3))
def test_what_is_read_is_what_was_written(value: Any, level: int) -> None:
    text = json_text(value, level=level)
    assert json.loads(text) == json.loads(json.dumps(value))
    assert "\r" not in text.replace("\\r", "")


def test_entries_have_lines_of_their_own() -> None:
    long = "x" * 90
    value = {
        "one": 1,
        "none": {},
        "rows": [{"name": "é", "values": list(range(60)), "of": {"a": [1], "b": long}}, []],
        3: [True, None],
    }
    assert json_text(value).splitlines() == [
        "{",
        ' "one": 1,',
        ' "none": {},',
        ' "rows": [',
        "  {",
        '   "name": "é",',
        f'   "values": [{", ".join(map(str, range(60)))}],',
        f'   "of": {{"a": [1], "b": "{long}"}}',
        "  },",
        "  []",
        " ],",
        ' "3": [',
        "  true,",
        "  null",
        " ]",
        "}",
    ]


@pytest.mark.parametrize("value", [math.nan, [[[-math.inf]]], {"a": {"b": {"c": math.inf}}}])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text(value)
