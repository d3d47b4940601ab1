"""Calls of the TensorRT backend on the stand-ins, and what they must return."""

import numpy as np

from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend
from inpaintrt.runtime.bundle import Bundle

from ..conftest import artifact


def open_backend(engine_bundle: Bundle, backend: str = "tensorrt") -> TensorRTBackend:
    return TensorRTBackend(engine_bundle, artifact(backend))


def pair(side: int, seed: int = 0, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return image, rng.integers(0, 2, (count, side, side), dtype=np.uint8)


def feed(side: int, seed: int = 0) -> dict[str, np.ndarray]:
    return dict(zip(("image", "mask"), pair(side, seed), strict=True))


def filled(inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.where(inputs["mask"][..., None] != 0, 255 - inputs["image"], inputs["image"])


def check(backend: TensorRTBackend, side: int, seed: int) -> None:
    inputs = feed(side, seed)
    assert (backend.run(inputs) == filled(inputs)).all()
