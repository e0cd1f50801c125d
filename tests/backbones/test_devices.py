"""What a machine lacks for CUDA is named piece by piece; a wish for it is never granted in silence."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workbench.backbones import devices
from workbench.errors import StageError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine whose driver, cards, libraries and packages a test chooses."""
    its = SimpleNamespace(driver=True, cards=1, runtime="13.0", torch="13.0", libraries={"libcudart.so.13"})
    monkeypatch.setattr(devices, "has_driver", lambda: its.driver)
    monkeypatch.setattr(devices, "cuda_devices", lambda: its.cards)
    monkeypatch.setattr(devices, "runtime_cuda", lambda: its.runtime)
    monkeypatch.setattr(devices, "torch_cuda", lambda: its.torch)
    monkeypatch.setattr(devices, "loadable", lambda name: name in its.libraries)
    return its


def test_a_whole_machine_lacks_nothing(machine: SimpleNamespace) -> None:
    machine.libraries |= {"libcublasLt.so.13", "libcudnn.so.9"}
    assert devices.missing_for_cuda() == []
    assert [devices.choose_device(d) for d in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    assert devices.device_sentence("auto") == "models run on CUDA: 1 device found"


def test_each_missing_piece_is_named_with_the_pip_line(machine: SimpleNamespace) -> None:
    machine.cards, machine.driver = 0, False
    with pytest.raises(StageError) as caught:
        devices.choose_device("cuda")
    assert caught.value.exit_code == 6
    for word in ("driver is not installed", "libcublasLt.so.13", "cuDNN 9", "libcudnn.so.9"):
        assert word in caught.value.message
    assert "libcudart" not in caught.value.message  # that one is there
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]' and a torch for CUDA 13" in caught.value.hint
    assert devices.choose_device("auto") == "cpu"
    assert devices.device_sentence("auto") == "models run on the CPU: no NVIDIA driver was found"
    assert devices.device_sentence("cpu") == "models run on the CPU, as asked"
    machine.driver = True
    assert devices.missing_for_cuda()[0] == "the NVIDIA driver sees no card"


def test_builds_that_do_not_fit_are_named(machine: SimpleNamespace) -> None:
    machine.torch = "12.8"
    assert devices.missing_for_cuda()[-1] == "torch is built for CUDA 12.8, ONNX Runtime for 13.0"
    machine.runtime = None
    assert devices.missing_for_cuda()[-1].endswith("is built without CUDA")


def test_builds_are_read_from_the_packages_themselves() -> None:
    import onnxruntime
    import torch

    assert devices.torch_cuda() == torch.version.cuda
    assert devices.runtimes() == [onnxruntime.package_name]
    assert (devices.runtime_cuda() or "") == onnxruntime.cuda_version
    assert devices.version_of("onnxruntime-none") is None
    assert devices.overwritten() == []


def test_a_library_is_found_by_the_loader_or_in_nvidias_packages(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert devices.loadable("libc.so.6")
    assert not devices.loadable("libnothing.so.7")
    folder = tmp_path / "nvidia" / "cudnn" / "lib"  # type: ignore[operator]
    folder.mkdir(parents=True)
    (folder / "libnothing.so.7").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert devices.loadable("libnothing.so.7")
