"""The stand-ins take what the installed libraries take, and nothing else: so does what is tested on them."""

import inspect
import re
from types import FunctionType
from typing import Any

import pytest

from . import stand_in_frames, stand_in_gpu, stand_in_library

OURS = {"do", "run", "check_open", "cuda_stream"}
"""What a test does with a stand-in; `cuda_stream` is torch's."""

Parameters = list[tuple[str, bool]]
"""Names, and whether each is taken by name only."""


def methods(stand_in: type) -> dict[str, FunctionType]:
    """What code under test may call."""
    found: dict[str, FunctionType] = {}
    for name, value in vars(stand_in).items():
        function = value.__func__ if isinstance(value, classmethod) else value
        public = name in ("__dlpack__", "__dlpack_device__") or not name.startswith("_")
        if isinstance(function, FunctionType) and public and name not in OURS:
            found[name] = function
    return found


def parameters(function: Any) -> Parameters:
    """Of a function of Python or Cython."""
    given = inspect.signature(function).parameters.values()
    return [(p.name, p.kind is p.KEYWORD_ONLY) for p in given if p.name not in ("self", "cls")]


def documented_parameters(function: Any) -> Parameters:
    """Of a function of pybind11, which has them in its documentation only; of its first overload."""
    given = re.search(r"\(self: [\w.]+,? ?(.*?)\) ->", function.__doc__)
    assert given is not None
    return [(name, False) for name in re.findall(r"(?:^|, )(\w+): ", given[1])]


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [
        ("Device", stand_in_gpu.Device),
        ("Stream", stand_in_gpu.Stream),
        ("Event", stand_in_gpu.Event),
        ("Buffer", stand_in_gpu.Buffer),
        ("utils.StridedMemoryView", stand_in_frames.View),
    ],
)
def test_cuda_core(name: str, stand_in: type) -> None:
    real: Any = pytest.importorskip("cuda.core")
    pytest.importorskip("cuda.core.utils")
    for part in name.split("."):
        real = getattr(real, part)
    found = methods(stand_in)
    assert found
    for each, function in found.items():
        assert set(parameters(function)) <= set(parameters(getattr(real, each))), f"{name}.{each}"
    for each, value in vars(stand_in).items():
        if isinstance(value, property) and each not in OURS:
            assert hasattr(real, each), f"{name}.{each}"


def test_the_driver() -> None:
    driver = pytest.importorskip("cuda.bindings.driver")
    found = methods(stand_in_gpu.Driver) | methods(stand_in_frames.FrameDriver)
    assert len(found) > 10
    for name, function in found.items():
        assert len(parameters(function)) == len(parameters(getattr(driver, name))), name


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [
        ("IExecutionContext", stand_in_library.Context),
        ("IRuntimeConfig", stand_in_library.RuntimeConfig),
        ("IRuntimeCache", stand_in_library.RuntimeCache),
    ],
)
def test_tensorrt_rtx(name: str, stand_in: type) -> None:
    real = getattr(pytest.importorskip("tensorrt_rtx"), name)
    for each, function in methods(stand_in).items():
        assert parameters(function) == documented_parameters(getattr(real, each)), f"{name}.{each}"
    for each in getattr(stand_in, "__slots__", ()):
        assert each.startswith("_") or hasattr(real, each)


def test_what_the_module_tensorrt_rtx_has() -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    for name in (
        "ExecutionContextAllocationStrategy",
        "CudaGraphStrategy",
        "DynamicShapesKernelSpecializationStrategy",
    ):
        for member in vars(getattr(stand_in_library.Library, name)):
            assert hasattr(getattr(rtx, name), member), f"{name}.{member}"
    for name in ("create_runtime_config", "create_execution_context"):
        assert hasattr(rtx.ICudaEngine, name)
    assert hasattr(rtx.Runtime, "deserialize_cuda_engine")
    assert hasattr(rtx.Logger, "ERROR")
