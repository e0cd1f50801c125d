"""The doctor's findings: what is missing, what to type, and when it is an error."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.stages import doctor


def test_a_machine_that_runs_these_tests_needs_nothing() -> None:
    findings = doctor.diagnose()
    assert doctor.healthy(findings)
    assert {f["what"] for f in findings} >= {"Packages", "ONNX Runtime", "CUDA", "Threads", "Memory", "Disk", "Fonts"}
    assert all(f["level"] in doctor.LEVELS and f["text"] for f in findings)
    text = doctor.as_text(findings)
    assert "All that is needed is here" in text
    assert max(map(len, text.splitlines())) <= 100


def test_what_is_missing_is_said_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version_of", lambda name: None if name in ("lime", "shap") else "1.0")
    monkeypatch.setattr(doctor, "runtimes", lambda: ["onnxruntime", "onnxruntime-gpu"])
    monkeypatch.setattr(doctor, "overwritten", lambda: ["onnxruntime", "onnxruntime-gpu"])
    findings = doctor.diagnose()
    assert not doctor.healthy(findings)
    todo = {f["todo"] for f in findings if f["level"] == "fix"}
    wheel = "onnxruntime-gpu" if doctor.cuda_devices() else "onnxruntime"
    assert todo == {
        "pip install shap lime",
        f"pip uninstall -y onnxruntime onnxruntime-gpu && pip install {wheel}",
    }
    text = doctor.as_text(findings)
    assert "2 things to fix, " in text
    assert "-> pip install shap lime" in text


def test_a_card_that_cannot_be_used_has_to_be_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "cuda_devices", lambda: 2)
    monkeypatch.setattr(doctor, "torch_cuda", lambda: None)
    monkeypatch.setattr(doctor, "missing_for_cuda", lambda: ["cuDNN 9 is missing (libcudnn.so.9)"])
    found: dict[str, Any] = {f["what"]: f for f in doctor.diagnose()}
    assert found["CUDA"]["level"] == found["CUDA libraries"]["level"] == "fix"
    assert "built without CUDA" in found["CUDA"]["text"]
    assert "pip install" in found["CUDA libraries"]["todo"]
    monkeypatch.setattr(doctor, "torch_cuda", lambda: "13.0")
    monkeypatch.setattr(doctor, "missing_for_cuda", list)
    assert doctor.healthy(doctor.diagnose())


def test_little_room_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LITTLE_DISK", 1e18)
    monkeypatch.setattr(doctor, "_LITTLE_MEMORY", 1e18)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = {f["what"]: f for f in doctor.diagnose()}
    assert found["Disk"]["level"] == found["Memory"]["level"] == found["Threads"]["level"] == "note"
