"""Doctor: what this machine has, what is missing and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from workbench.backbones.devices import (
    cuda_devices,
    cuda_hint,
    has_driver,
    missing_for_cuda,
    overwritten,
    runtime_cuda,
    runtimes,
    torch_cuda,
    version_of,
)
from workbench.chromium import find_chromium

NEEDED = (
    "transformers",
    "accelerate",
    "onnx",
    "onnxscript",
    "captum",
    "shap",
    "lime",
    "scikit-learn",
    "datasets",
    "altair",
)
LEVELS = ("ok", "note", "fix")  # as it should be; good to know; keeps the workbench from working
_LITTLE_MEMORY, _LITTLE_DISK = 4e9, 5e9  # bytes
_WIDTH = 100


def diagnose() -> list[dict[str, Any]]:
    """Findings as {what, level, ok, text, todo}: `level` is one of `LEVELS`, `todo` what to type, if anything."""
    return [
        _finding("Python", "ok", platform.python_version()),
        _torch(),
        *_packages(),
        _runtime(),
        *_cuda(),
        _threads(),
        _memory(),
        _disk(),
        _fonts(),
        _chromium(),
    ]


def healthy(findings: list[dict[str, Any]]) -> bool:
    """Whether nothing has to be fixed."""
    return not any(f["level"] == "fix" for f in findings)


def as_text(findings: list[dict[str, Any]]) -> str:
    """Findings as aligned lines, the things to do below what they are about, and a closing sentence."""
    wide = max(len(f["what"]) for f in findings)
    lines = []
    for f in findings:
        lead, rest = f"{f['level']:<5} {f['what']:<{wide}}  ", " " * (wide + 8)
        lines += textwrap.wrap(f["text"], _WIDTH, initial_indent=lead, subsequent_indent=rest)
        if f["todo"]:
            lines += textwrap.wrap(f["todo"], _WIDTH, initial_indent=f"{rest}-> ", subsequent_indent=f"{rest}   ")
    fixes, notes = (sum(f["level"] == level for f in findings) for level in ("fix", "note"))
    said = f"{notes} note{'' if notes == 1 else 's'}" if notes else "no notes"
    end = (
        f"{fixes} thing{'s' if fixes > 1 else ''} to fix, {said}." if fixes else f"All that is needed is here; {said}."
    )
    return "\n".join([*lines, "", end])


def _finding(what: str, level: str, text: str, todo: str = "") -> dict[str, Any]:
    return {"what": what, "level": level, "ok": level != "fix", "text": text, "todo": todo}


def _torch() -> dict[str, Any]:
    found, build = version_of("torch"), torch_cuda()
    if not found:
        return _finding("torch", "fix", "not installed", "pip install torch")
    return _finding("torch", "ok", f"{found}, built {f'for CUDA {build} and the CPU' if build else 'for the CPU'}")


def _packages() -> list[dict[str, Any]]:
    versions = {name: version_of(name) for name in NEEDED}
    found = [f"{name} {v}" for name, v in versions.items() if v]
    missing = [name for name, v in versions.items() if not v]
    lines = [_finding("Packages", "ok", ", ".join(found))] if found else []
    if missing:
        lines.append(
            _finding("Packages", "fix", f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")
        )
    return lines


def _runtime() -> dict[str, Any]:
    names = runtimes()
    if not names:
        return _finding("ONNX Runtime", "fix", "not installed", "pip install onnxruntime")
    if len(names) > 1:
        both = "they write into one folder, so files of one are those of the other" if overwritten() else "keep one"
        keep = "onnxruntime-gpu" if "onnxruntime-gpu" in names and cuda_devices() else names[0]
        return _finding(
            "ONNX Runtime",
            "fix",
            f"{' and '.join(names)} are both installed: {both}",
            f"pip uninstall -y {' '.join(names)} && pip install {keep}",
        )
    build = runtime_cuda()
    said = f"for CUDA {build} and the CPU" if build else "for the CPU"
    return _finding("ONNX Runtime", "ok", f"{names[0]} {version_of(names[0])}, built {said}")


def _cuda() -> list[dict[str, Any]]:
    found = cuda_devices()
    if not found:
        why = "the NVIDIA driver sees no card" if has_driver() else "no NVIDIA driver"
        return [_finding("CUDA", "note", f"{why}: models run on the CPU")]
    its = torch_cuda()
    lines = [_finding("CUDA", "ok", f"{found} device{'s' if found > 1 else ''}; torch is built for CUDA {its}")]
    if its is None:
        lines = [
            _finding(
                "CUDA",
                "fix",
                f"{found} device{'s' if found > 1 else ''}, but torch {version_of('torch')} is built without CUDA",
                f"install torch for CUDA {(runtime_cuda() or '13').partition('.')[0]} (pytorch.org/get-started)",
            )
        ]
    missing = missing_for_cuda()
    if missing:
        lines.append(_finding("CUDA libraries", "fix", "; ".join(missing), cuda_hint()))
    return lines


def _threads() -> dict[str, Any]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS")
    text = f"{usable} processor{'s' if usable > 1 else ''} may be used"
    if asked:
        return _finding("Threads", "note", f"{text}; OMP_NUM_THREADS is {asked}, so torch uses {asked}")
    return _finding("Threads", "ok", text)


def _memory() -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{memory.available / 1e9:.1f} GB of {memory.total / 1e9:.1f} GB are free"
    if memory.available < _LITTLE_MEMORY:
        return _finding(
            "Memory", "note", text, "close other programs, or lower explain.max_memory and predict.batch_size"
        )
    return _finding("Memory", "ok", text)


def _disk() -> dict[str, Any]:
    places = {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    free = {name: shutil.disk_usage(path).free for name, path in places.items()}
    text = ", ".join(f"{size / 1e9:.1f} GB free for {name}" for name, size in free.items())
    if min(free.values()) < _LITTLE_DISK:
        return _finding("Disk", "note", text, "free some space, or write elsewhere with --set out=FOLDER")
    return _finding("Disk", "ok", text)


def _fonts() -> dict[str, Any]:
    """Reports name the system's own fonts; a machine without any draws text as empty boxes."""
    if platform.system() != "Linux":
        return _finding("Fonts", "ok", "the system's own")
    lister = shutil.which("fc-list")
    listed = subprocess.run([lister, ":", "family"], capture_output=True, text=True, check=False) if lister else None
    families = {line.split(",")[0].strip() for line in listed.stdout.splitlines() if line.strip()} if listed else set()
    if families:
        return _finding("Fonts", "ok", f"{len(families)} famil{'ies' if len(families) > 1 else 'y'}")
    return _finding(
        "Fonts", "note", "none found: pictures of reports would show boxes for letters", "apt-get install fonts-dejavu"
    )


def _chromium() -> dict[str, Any]:
    browser = find_chromium()
    if browser:
        return _finding("Chromium", "ok", browser)
    return _finding(
        "Chromium", "note", "not found; `report --pdf` and the browser tests need it", "apt-get install chromium"
    )
