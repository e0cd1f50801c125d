"""Vega, Vega-Lite and Vega-Embed as one script; they are part of vl-convert.

As a program (`python -m workbench.report.bundle`) it writes the script to its standard output.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from functools import cache


@cache
def vega_bundle() -> str:
    """The script, made by a process of its own.

    vl-convert holds Python's lock for the two seconds that it takes, so no thread could do anything beside it. Where
    no process can be started (a Python inside another program) it is made here.
    """
    with suppress(OSError, subprocess.SubprocessError):
        command = [sys.executable, "-P", "-m", __name__]  # P: nothing is imported from where it was started
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return made()


def made() -> str:
    """The script, made in this process."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(()=>{{{bundle}}})();"


if __name__ == "__main__":
    sys.stdout.buffer.write(made().encode())
