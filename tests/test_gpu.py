"""On a machine with an NVIDIA GPU: engines are built for it, run, and judged by the gate. Skipped elsewhere."""

import os
from pathlib import Path

import numpy as np
import pytest

from inpaintrt.engines import build_engines
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.backends.gpu import local_target
from inpaintrt.runtime.errors import BackendError, EngineBuildError
from inpaintrt.validation import validate
from tests.conftest import random_picture

from .runtime import c_interface, cpp_build


@pytest.fixture
def target() -> str:
    try:
        return local_target()
    except BackendError as error:
        pytest.skip(f"needs a GPU: {error}")


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_engine_for_the_local_gpu(bundle: Bundle, target: str, backend: str) -> None:
    try:
        engine = build_engines(bundle.path, backend=backend, target="local")[0].artifact
    except EngineBuildError as error:
        pytest.skip(f"needs {backend} for {target}: {error}")
    report = validate(bundle.path)
    judged = next(candidate for candidate in report.candidates if candidate.artifact == engine.path)
    assert judged.result == "pass", judged.reason
    image, hole = random_picture(50, 61)
    with Inpainter(bundle.path, device="cuda") as inpaint:
        assert inpaint.backend.name == f"{backend} fp16"
        results = [inpaint(image, hole) for _ in range(4)]  # plain, captured, replayed, replayed
    assert all((result == results[0]).all() for result in results)
    with Inpainter(bundle.path, device="cpu") as inpaint:
        assert np.abs(inpaint(image, hole).astype(int) - results[0]).max() <= 3


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_the_cpp_runtime_gives_the_same_bytes(bundle: Bundle, target: str, backend: str, tmp_path: Path) -> None:
    root = backend.upper().replace("-", "_") + "_ROOT"
    if root not in os.environ:
        pytest.skip(f"needs the library's headers in the folder {root}, see docs/embed-cpp.md")
    try:
        build_engines(bundle.path, backend=backend, target="local")
        cpp_build.build(tmp_path)
    except (EngineBuildError, cpp_build.CannotBuildError) as error:
        pytest.skip(f"needs {backend} for {target}: {error}")
    library = c_interface.Library(tmp_path / "libinpaintrt.so")
    with Inpainter(bundle.path, device="cuda") as python, library.open(bundle.path, "cuda") as cpp:
        assert cpp.backend.startswith(python.backend.name)
        for seed in range(5):  # warm-up, capture, launches
            image, hole = random_picture(50, 61, seed)
            assert (python(image, hole) == cpp(image, hole)).all()
