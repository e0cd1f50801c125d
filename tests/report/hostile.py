"""Strings that try to run, to break out of markup, or to turn the text around them."""

from __future__ import annotations

from sample_run import Sample

SCRIPTS = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "</script><script>window.pwned=1</script>",
    "'><svg onload=window.pwned=1>",
    "<style>*{display:none}</style>",
    "{{ 7*7 }}{% raw %}",
    "javascript:window.pwned=1",
    "]]><!--",
)
ODD = ("\u202egnp.exe", "\u05e9\u05dc\u05d5\u05dd", "bell\x07null\x00", "W" * 300, "&amp;", "a\u0000b\u2066c")


def hostile_sample(kind: str) -> Sample:
    """A sample whose labels, ids, texts, columns and notes are hostile."""
    sample = Sample(kind, labels=(*SCRIPTS[:4], ODD[0], ODD[3]) if kind != "regression" else None, cases=6)
    sample.ids = [f"{(SCRIPTS + ODD)[i % len(SCRIPTS + ODD)]}-{i}" for i in range(len(sample.ids))]
    sample.text = " ".join((*SCRIPTS, *ODD))
    sample.columns = [f"{(SCRIPTS + ODD)[i % len(SCRIPTS + ODD)]}{i}" for i in range(len(sample.columns))]
    sample.notes = [*SCRIPTS, *ODD]
    return sample
