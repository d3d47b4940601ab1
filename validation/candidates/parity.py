"""What is compared with PyTorch: every artifact of a bundle, on all that can run it here; and PyTorch's own FP16."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.bundle import Artifact, Bundle

from ..cases.expected import Expected, TorchReference
from .runners import Runner, open_engine, open_onnx
from .strict_fp16 import StrictFp16

PROBES = ("output", "updated_mask")

STRICT = "onnx fp16, every value rounded"
PARTLY = "all cases run with every value rounded, which finds more"
TORCH_FP16 = "PyTorch fp16, for comparison"


@dataclass(frozen=True)
class Values:
    """What a candidate gave for a batch: tensors by name, and what was noticed inside where every value is watched."""

    tensors: dict[str, NDArray[Any]]
    non_finite_at: str | None = None
    underflow_at: str | None = None


@dataclass(frozen=True)
class Opened:
    """A candidate that was opened: `run` takes what PyTorch was given; `close` frees it, and stores what it stores."""

    run: Callable[[Expected], Values]
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Candidate:
    """What is compared with PyTorch in FP32.

    Args:
        name: for the reader.
        precision: `fp32` or `fp16`.
        artifact: None for PyTorch itself, which is shown for comparison and never judged.
        shows: the tensors it must give.
        open: starts it; raises `BackendError` where that is not possible here.
        partly: why it runs on the telling cases only, in words; empty if it runs on all.
    """

    name: str
    precision: str
    artifact: Artifact | None
    shows: tuple[str, ...]
    open: Callable[[], Opened]
    partly: str = ""


def find_candidates(bundle: Bundle, torch_reference: TorchReference) -> Iterator[Candidate]:
    """All candidates of a bundle, those that cannot run here included."""
    has_mask = bundle.interface.updated_mask_output is not None
    inner = ("output", "updated_mask") if has_mask else ("output",)
    everything = tuple(dict.fromkeys((*bundle.interface.outputs, *inner)))
    for artifact in bundle.artifacts:
        precision = str(artifact.precision)
        if artifact.kind == "onnx":
            for device in ("cpu", "cuda"):
                yield Candidate(
                    f"onnx {precision} on onnxruntime {device}", precision, artifact, everything,
                    lambda artifact=artifact, device=device: _open_onnx(bundle, artifact, device),  # type: ignore[misc]
                    PARTLY if (precision, device) == ("fp16", "cpu") else "",
                )  # fmt: skip
            if precision == "fp16":
                yield Candidate(
                    STRICT, precision, artifact, everything,
                    lambda artifact=artifact: _open_strict(bundle, artifact),  # type: ignore[misc]
                )  # fmt: skip
        elif artifact.kind == "engine":
            yield Candidate(
                f"{artifact.backend} {artifact.backend_version} {precision} for {artifact.target}", precision, artifact,
                bundle.interface.outputs,
                lambda artifact=artifact: _open_engine(bundle, artifact),  # type: ignore[misc]
            )  # fmt: skip
    yield Candidate(TORCH_FP16, "fp16", None, inner, lambda: _open_torch(torch_reference))


def inputs_for(bundle: Bundle, expected: Expected) -> dict[str, NDArray[Any]]:
    """What the bundle's network takes for a batch, by name; one whose mask is fixed takes none."""
    batch = expected.batch
    inputs: dict[str, NDArray[Any]] = {"image": expected.network_image, "mask": expected.network_mask}
    if bundle.interface.io == "image":
        inputs = {"image": batch.image, "mask": _any_non_zero(batch.hole)}
    if expected.network_sketch is not None and batch.sketch is not None:
        inputs["sketch"] = expected.network_sketch if bundle.interface.io == "tensor" else _any_non_zero(batch.sketch)
    return {name: inputs[name] for name in bundle.interface.inputs}


def _any_non_zero(hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A uint8 mask or sketch whose holes or lines are different non-zero values, each of which means the same."""
    values = 1 + np.arange(hole.size, dtype=np.int64).reshape(hole.shape) % 255
    return np.where(hole, values, 0).astype(np.uint8)


def _open_onnx(bundle: Bundle, artifact: Artifact, device: str) -> Opened:
    return _opened(bundle, open_onnx(bundle.file(artifact), device, PROBES, keep=_usual_pixels(bundle)))


def _usual_pixels(bundle: Bundle) -> int:
    """Pixels of most calls: the memory of larger ones is given back, or three sessions would hold it at once."""
    profile = bundle.interface.profile
    return profile.batch[2] * profile.height[1] * profile.width[1]


def _opened(bundle: Bundle, runner: Runner) -> Opened:
    return Opened(lambda expected: Values(runner.run(inputs_for(bundle, expected))), runner.close)


def _open_strict(bundle: Bundle, artifact: Artifact) -> Opened:
    model = ir.from_proto(onnx.load_from_string(bundle.file(artifact)))
    strict = StrictFp16(model, PROBES, keep=_usual_pixels(bundle))

    def run(expected: Expected) -> Values:
        result = strict.run(inputs_for(bundle, expected))
        return Values(result.outputs, result.first_non_finite, result.first_underflow)

    return Opened(run)


def _open_engine(bundle: Bundle, artifact: Artifact) -> Opened:
    return _opened(bundle, open_engine(bundle, artifact))


def _open_torch(torch_reference: TorchReference) -> Opened:
    return Opened(lambda expected: Values(dict(torch_reference.run_half(expected.batch))))
