"""workbench: fine-tune, export, evaluate and explain a model, and answer for it.

    import workbench
    run = workbench.run_config("config.toml")

What the command line can do, Python can do in one call; heavy imports happen on first use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Config",
    "Run",
    "audit",
    "build_report",
    "compare_runs",
    "gate",
    "inspect_one",
    "run_config",
    "run_demo",
    "run_stage",
]

# Read by OpenMP when torch is loaded. As it comes, threads that have nothing to do keep their core
# busy; on a machine that is shared, small steps then take many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_WHERE = {
    "Config": "workbench.config",
    "Run": "workbench.run",
    "audit": "workbench.auditing",
    "build_report": "workbench.reporting",
    "compare_runs": "workbench.pipeline",
    "gate": "workbench.pipeline",
    "inspect_one": "workbench.inspection",
    "run_config": "workbench.pipeline",
    "run_demo": "workbench.pipeline",
    "run_stage": "workbench.pipeline",
}

if TYPE_CHECKING:
    from workbench.auditing import audit
    from workbench.config import Config
    from workbench.inspection import inspect_one
    from workbench.pipeline import compare_runs, gate, run_config, run_demo, run_stage
    from workbench.reporting import build_report
    from workbench.run import Run


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        import importlib

        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")
