"""Where models can run: CUDA devices, and what is missing where they cannot be used.

Loads neither torch nor ONNX Runtime: drivers and libraries are asked themselves.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import re
import sys
from importlib.metadata import PackageNotFoundError, distributions, files, version
from pathlib import Path

from workbench.errors import StageError

_WINDOWS = sys.platform == "win32"


def cuda_devices() -> int:
    """How many CUDA devices the driver has; 0 without a driver."""
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def has_driver() -> bool:
    """Whether NVIDIA's driver is installed."""
    return _driver() is not None


def _driver() -> ctypes.CDLL | None:
    for name in ("nvcuda.dll",) if _WINDOWS else ("libcuda.so.1", "libcuda.so"):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    return None


def choose_device(device: str) -> str:
    """ "cpu" or "cuda" for a wish of "auto", "cpu" or "cuda"; ONNX Runtime's own list is not believed.

    ONNX Runtime names CUDA among its providers whenever the package was built with it.

    Raises:
        StageError: CUDA was asked for and cannot be used; what is missing is named.
    """
    found = cuda_devices()
    if device == "cuda" and not found:
        raise StageError(f"--device cuda: no CUDA device was found: {'; '.join(missing_for_cuda())}", hint=cuda_hint())
    return "cuda" if found and device in ("auto", "cuda") else "cpu"


def device_sentence(device: str) -> str:
    """What a wish of "auto", "cpu" or "cuda" comes to, in words."""
    if device == "cpu":
        return "models run on the CPU, as asked"
    found = cuda_devices()
    if found:
        return f"models run on CUDA: {found} device{'s' if found > 1 else ''} found"
    return f"models run on the CPU: {'no CUDA device' if has_driver() else 'no NVIDIA driver'} was found"


def missing_for_cuda() -> list[str]:
    """What stands between this machine and ONNX Runtime on CUDA, one phrase each; empty where nothing does."""
    found = []
    if not has_driver():
        found.append("the NVIDIA driver is not installed (libcuda.so.1)")
    elif not cuda_devices():
        found.append("the NVIDIA driver sees no card")
    runtime = runtime_cuda()
    if runtime is None:
        found.append(f"{' and '.join(runtimes()) or 'ONNX Runtime'} is built without CUDA")
        return found
    major = runtime.partition(".")[0]
    for library, name in (
        (f"libcudart.so.{major}", f"CUDA {major}"),
        (f"libcublasLt.so.{major}", f"cuBLAS of CUDA {major}"),
        ("libcudnn.so.9", "cuDNN 9"),
    ):
        if not _WINDOWS and not loadable(library):
            found.append(f"{name} is missing ({library})")
    its = torch_cuda()
    if its is not None and its.partition(".")[0] != major:
        found.append(f"torch is built for CUDA {its}, ONNX Runtime for {runtime}")
    return found


def cuda_hint() -> str:
    """The pip line that brings what can be installed, and the way out."""
    major = (runtime_cuda() or "13").partition(".")[0]
    line = f"pip install 'onnxruntime-gpu[cuda,cudnn]' and a torch for CUDA {major}"
    return f"{line}; without an NVIDIA card use --device auto"


def loadable(library: str) -> bool:
    """Whether a shared library is found by the loader or lies in one of NVIDIA's Python packages."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(library)
        return True
    return any(next(folder.glob(f"nvidia/**/{library}"), None) is not None for folder in _site_folders())


def _site_folders() -> set[Path]:
    return {Path(entry) for entry in sys.path if entry and (Path(entry) / "nvidia").is_dir()}


def runtimes() -> list[str]:
    """The distributions that bring the package `onnxruntime`; more than one overwrite each other's files."""
    return sorted({d.name for d in distributions() if re.match(r"onnxruntime($|-(?!extensions|tools))", d.name or "")})


def runtime_cuda() -> str | None:
    """The CUDA version that ONNX Runtime is built for, such as "13.0"; None for a build without."""
    return _stated("onnxruntime", "capi/build_and_package_info.py", r"""cuda_version\s*=\s*["']([\d.]+)""")


def torch_cuda() -> str | None:
    """The CUDA version that torch is built for; None for a build without."""
    return _stated("torch", "version.py", r"""^cuda\s*(?::[^=]*)?=\s*["']([\d.]+)""")


def _stated(package: str, name: str, pattern: str) -> str | None:
    """What a package's own file says, read as text: importing it would load its libraries."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / name
    if not path.is_file():
        return None
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else None


def overwritten() -> list[str]:
    """Distributions whose files of `onnxruntime` another distribution has overwritten, by name."""
    names = runtimes()
    if len(names) < 2:
        return []
    owners: dict[str, list[str]] = {}
    for name in names:
        for file in files(name) or ():
            if str(file).startswith("onnxruntime/"):
                owners.setdefault(str(file), []).append(name)
    return sorted({n for claimed in owners.values() if len(claimed) > 1 for n in claimed})


def version_of(name: str) -> str | None:
    """A distribution's version; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
