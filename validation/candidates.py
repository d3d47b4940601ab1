"""Candidates: every artifact of a bundle, on everything that can run it here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.backends import Backend
from inpaintrt.runtime.backends.gpu import load_library, local_target
from inpaintrt.runtime.backends.onnx_runtime import check_device, open_session
from inpaintrt.runtime.bundle import Artifact, Bundle
from inpaintrt.runtime.errors import BackendError

from .cases import Reference, TorchReference
from .metrics import CaseMetrics, composite_metrics, relative_l2
from .strict_fp16 import StrictFp16, add_outputs

PROBES = ("output", "updated_mask")


class Runner(Protocol):
    """Runs a candidate on a reference's inputs."""

    def __call__(self, reference: Reference) -> tuple[dict[str, NDArray[Any]], str | None]:
        """Values by name (`composite`, `output`, `updated_mask`, as far as shown), and the first non-finite node."""


@dataclass(frozen=True)
class Candidate:
    """An artifact, what runs it, and how to start it; `open` raises `BackendError` where that is not possible here."""

    name: str
    artifact: Artifact
    open: Callable[[], Runner]


def find_candidates(bundle: Bundle) -> Iterator[Candidate]:
    """All candidates of a bundle, those that cannot run here included."""
    for artifact in bundle.artifacts:
        if artifact.kind == "onnx":
            for device in ("cpu", "cuda"):
                yield Candidate(
                    f"onnx {artifact.precision} on onnxruntime {device}", artifact,
                    lambda artifact=artifact, device=device: _open_onnx(bundle, artifact, device),  # type: ignore[misc]
                )  # fmt: skip
            if artifact.precision == "fp16":
                yield Candidate(
                    "onnx fp16, every value rounded", artifact,
                    lambda artifact=artifact: _open_strict(bundle, artifact),  # type: ignore[misc]
                )  # fmt: skip
        elif artifact.kind == "engine":
            yield Candidate(
                f"{artifact.backend} {artifact.backend_version} {artifact.precision} for {artifact.target}", artifact,
                lambda artifact=artifact: _open_engine(bundle, artifact),  # type: ignore[misc]
            )  # fmt: skip


def measure(runner: Runner, reference: Reference, torch_reference: TorchReference) -> list[CaseMetrics]:
    """Run one batch and compare, one entry for each picture."""
    values, non_finite_at = runner(reference)
    batch = reference.batch
    composed = torch_reference.compose(batch, values["output"]) if "output" in values else None
    result = []
    for index, name in enumerate(batch.names):
        entries: dict[str, Any] = {}
        output = _expect(values, "output", reference.output.shape)
        if output is not None:
            entries["relative_l2"] = relative_l2(output[index], reference.output[index])
            entries["finite"] = bool(np.isfinite(output[index]).all()) and non_finite_at is None
            entries["non_finite_at"] = non_finite_at
        if reference.updated_mask is not None:
            updated = _expect(values, "updated_mask", reference.updated_mask.shape)
            if updated is not None:
                entries["mask_equal"] = bool((updated[index] == reference.updated_mask[index]).all())
        composite = _expect(values, "composite", reference.composite.shape)
        if composite is not None:
            entries |= composite_metrics(
                composite[index], reference.composite[index], batch.image[index], batch.hole[index],
                reference.picture[index], reference.disturbed_picture[index],
            )  # fmt: skip
            if composed is not None:
                entries["composition_difference"] = int(np.abs(composite[index].astype(int) - composed[index]).max())
        result.append(CaseMetrics(name, **entries))
    return result


def _expect(values: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """A shown value, whose shape must be the reference's."""
    value = values.get(name)
    if value is not None and value.shape != shape:
        raise ShapeError(f"{name} has shape {value.shape}, PyTorch's is {shape}")
    return value


class ShapeError(Exception):
    """A candidate gave a tensor of another shape than PyTorch: it fails."""


def _inputs(bundle: Bundle, reference: Reference) -> dict[str, NDArray[Any]]:
    """What the deployed network takes; one whose mask is fixed takes none."""
    inputs: dict[str, NDArray[Any]]
    if bundle.interface.io == "image":
        inputs = {"image": reference.batch.image, "mask": _any_non_zero(reference.batch.hole)}
    else:
        inputs = {"image": reference.network_image, "mask": reference.network_mask}
    return {name: inputs[name] for name in bundle.interface.inputs}


def _any_non_zero(hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A uint8 mask whose holes are different non-zero values, each of which means a hole."""
    values = 1 + np.arange(hole.size, dtype=np.int64).reshape(hole.shape) % 255
    return np.where(hole, values, 0).astype(np.uint8)


def _open_onnx(bundle: Bundle, artifact: Artifact, device: str) -> Runner:
    check_device(device)
    model = ir.from_proto(onnx.load_from_string(bundle.file(artifact)))
    add_outputs(model, PROBES)
    session = open_session(ir.to_proto(model).SerializeToString(), device)
    names = [value.name for value in session.get_outputs()]

    def run(reference: Reference) -> tuple[dict[str, NDArray[Any]], str | None]:
        return dict(zip(names, session.run(names, _inputs(bundle, reference)), strict=True)), None

    return run


def _open_strict(bundle: Bundle, artifact: Artifact) -> Runner:
    strict = StrictFp16(ir.from_proto(onnx.load_from_string(bundle.file(artifact))), PROBES)

    def run(reference: Reference) -> tuple[dict[str, NDArray[Any]], str | None]:
        result = strict.run(_inputs(bundle, reference))
        return result.outputs, result.first_non_finite

    return run


def _open_engine(bundle: Bundle, artifact: Artifact) -> Runner:
    if bundle.interface.io != "image":
        raise BackendError("the runtime runs engines of --io image bundles")
    target = local_target()
    if artifact.target != target:
        raise BackendError(f"the engine is for {artifact.target}, this GPU is {target}")
    version = load_library(str(artifact.backend)).__version__
    if artifact.backend_version != version:
        raise BackendError(f"the engine is for version {artifact.backend_version}, {version} is installed")
    from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend  # only with a GPU

    backend: Backend = TensorRTBackend(bundle, artifact)

    def run(reference: Reference) -> tuple[dict[str, NDArray[Any]], str | None]:
        return {"composite": backend.run(_inputs(bundle, reference))}, None

    return run
