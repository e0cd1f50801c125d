"""Doctor: what this machine has, what is missing and what to do about it."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, distributions, version
from typing import Any

NEEDED = (
    "torch",
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


def diagnose() -> list[dict[str, Any]]:
    """Findings as {what, ok, text}."""
    findings = [_package(name) for name in NEEDED]
    runtimes = sorted({d.name for d in distributions() if (d.name or "").startswith("onnxruntime")})
    findings.append(
        {
            "what": "ONNX Runtime",
            "ok": len(runtimes) == 1,
            "text": f"{runtimes[0]} {version(runtimes[0])}"
            if len(runtimes) == 1
            else f"{' and '.join(runtimes) or 'none'} installed: keep one (pip uninstall the other, then reinstall it)",
        }
    )
    findings.append(_cuda())
    findings.append({"what": "threads", "ok": True, "text": f"{os.cpu_count()} processors"})
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    findings.append(
        {
            "what": "Chromium",
            "ok": browser is not None,
            "text": browser or "not found: only the browser tests need it (apt-get install chromium)",
        }
    )
    return findings


def _package(name: str) -> dict[str, Any]:
    try:
        return {"what": name, "ok": True, "text": version(name)}
    except PackageNotFoundError:
        return {"what": name, "ok": False, "text": f"not installed: pip install {name}"}


def _cuda() -> dict[str, Any]:
    from workbench.backbones.onnx import cuda_devices

    found = cuda_devices()
    if not found:
        return {"what": "CUDA", "ok": True, "text": "no device or driver: models run on the CPU"}
    import torch

    if not torch.cuda.is_available():
        text = f"{found} devices, but torch {torch.__version__} was built without CUDA: install its CUDA build"
        return {"what": "CUDA", "ok": False, "text": text}
    return {"what": "CUDA", "ok": True, "text": f"{found} devices, torch speaks CUDA {torch.version.cuda}"}
