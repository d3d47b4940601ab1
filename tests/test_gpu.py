"""On a machine with an NVIDIA GPU: engines are built for it, run, and judged by the gate. Skipped elsewhere."""

import numpy as np
import pytest

from inpaintrt.engines import build_engines
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.backends.gpu import local_target
from inpaintrt.runtime.errors import BackendError, EngineBuildError
from inpaintrt.validation import validate

from .conftest import random_picture


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
