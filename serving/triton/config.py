"""`config.pbtxt` of the two models, from the bundle.

Both state what the bundle takes: types, shapes and batch limits are Triton's to check, sizes are in the description.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...runtime import Bundle
from ...runtime.bundle import Artifact

IMAGE_TENSORS = {"image": (3,), "mask": (), "sketch": (), "composite": (3,)}
"""Of a network with `--io image`: the dimensions after height and width; all are uint8."""


@dataclass(frozen=True)
class Placing:
    """Where a model runs.

    Args:
        gpu: on each GPU, or on the CPU.
        instances: copies on each GPU, or on the CPU.
        queue_delay: microseconds that a request may wait for others to share its batch.
    """

    gpu: bool
    instances: int
    queue_delay: int


def pipeline_config(bundle: Bundle, name: str, placing: Placing, max_pixels: int, threads: int) -> str:
    """Of the model on the Python backend, which takes images of any size, encoded or as arrays."""
    batch = bundle.interface.profile.batch[2]
    planes = [plane for plane in ("mask", "sketch") if plane in bundle.interface.inputs]
    inputs = [
        _tensor("image", "UINT8", (-1, -1, 3), optional=True),
        _tensor("image_file", "STRING", (1,), optional=True),
    ]
    for plane in planes:
        inputs.append(_tensor(plane, "UINT8", (-1, -1), optional=True))
        inputs.append(_tensor(f"{plane}_file", "STRING", (1,), optional=True))
    outputs = [_tensor("filled", "UINT8", (-1, -1, 3)), _tensor("filled_file", "STRING", (1,))]
    description = (
        "Fills holes of images of any size. Inputs: image (RGB) or image_file (PNG, JPEG, WebP, TIFF, BMP); "
        f"{' and '.join(f'{plane} (non-zero = {_meaning(plane)}) or {plane}_file' for plane in planes) or 'no mask'}. "
        "Ask for filled, filled_file (PNG) or both; known pixels are bit-identical."
    )
    return "\n".join([
        f"name: {json.dumps(name)}",
        'backend: "python"',
        f"max_batch_size: {batch}",
        *_listed("input", inputs),
        *_listed("output", outputs),
        *_batching(bundle, placing),
        _placed(placing),
        "version_policy { latest { num_versions: 1 } }",
        *_parameters(description=description, max_pixels=str(max_pixels), threads=str(threads)),
        "",
    ])  # fmt: skip


def onnx_config(bundle: Bundle, name: str, placing: Placing, artifact: Artifact) -> str:
    """Of the bare network on Triton's ONNX Runtime backend."""
    lines = [f"name: {json.dumps(name)}", 'backend: "onnxruntime"', 'default_model_filename: "model.onnx"']
    return _network_config(bundle, lines, placing, f"ONNX, {artifact.precision}.")


def engine_config(bundle: Bundle, name: str, placing: Placing, engines: Sequence[Artifact]) -> str:
    """Of the bare network on Triton's TensorRT backend, with an engine for each compute capability."""
    files = [
        f'cc_model_filenames {{ key: "{compute_capability(engine)}" value: "{engine_file(engine)}" }}'
        for engine in engines
    ]
    lines = [f"name: {json.dumps(name)}", 'backend: "tensorrt"', 'platform: "tensorrt_plan"', *files]
    version = engines[0].backend_version
    targets = ", ".join(f"{engine.target} ({engine.precision})" for engine in engines)
    return _network_config(bundle, lines, placing, f"Needs TensorRT {version} and a GPU of {targets}.")


def compute_capability(engine: Artifact) -> str:
    """`8.9` for an engine for `sm89`."""
    digits = str(engine.target).removeprefix("sm")
    return f"{digits[:-1]}.{digits[-1]}"


def engine_file(engine: Artifact) -> str:
    """The engine's name in the repository."""
    return f"model.{engine.target}.plan"


def _network_config(bundle: Bundle, lines: Sequence[str], placing: Placing, needs: str) -> str:
    interface = bundle.interface
    low, best, high = interface.profile.batch
    # Triton adds the batch to the shapes itself, and then any batch from 1 must do.
    batched = low == 1 and high > 1
    size = tuple(
        axis[0] if axis[0] == axis[2] else -1 for axis in (interface.profile.height, interface.profile.width)
    )  # fmt: skip
    first = () if batched else ((low if low == high else -1),)
    tensors = {
        name: _tensor(name, "UINT8", (*first, *size, *IMAGE_TENSORS[name]))
        for name in (*interface.inputs, *interface.outputs)
    }
    height, width = interface.profile.height, interface.profile.width
    description = (
        f"{needs} The bare network: height {height[0]} to {height[2]}, width {width[0]} to {width[2]}, multiples of "
        f"{interface.size_multiple}, best {best}x{height[1]}x{width[1]}; pad outside, padding counts as hole."
    )
    return "\n".join([
        *lines,
        f"max_batch_size: {high if batched else 0}",
        *_listed("input", [tensors[name] for name in interface.inputs]),
        *_listed("output", [tensors[name] for name in interface.outputs]),
        *(_batching(bundle, placing) if batched else ()),
        _placed(placing),
        "version_policy { latest { num_versions: 1 } }",
        *_parameters(description=description),
        "",
    ])  # fmt: skip


def _batching(bundle: Bundle, placing: Placing) -> list[str]:
    """Dynamic batching, where the network takes more than one image."""
    _, best, high = bundle.interface.profile.batch
    if high == 1:
        return []
    preferred = ", ".join(str(size) for size in sorted({best, high} - {1}))
    return [
        f"dynamic_batching {{ preferred_batch_size: [ {preferred} ] "
        f"max_queue_delay_microseconds: {placing.queue_delay} }}"
    ]


def _placed(placing: Placing) -> str:
    return f"instance_group [ {{ count: {placing.instances} kind: {'KIND_GPU' if placing.gpu else 'KIND_CPU'} }} ]"


def _parameters(**values: str) -> list[str]:
    """A description has no field of its own in Triton; as a parameter it comes with the configuration."""
    return [f'parameters {{ key: "{k}" value {{ string_value: {json.dumps(v)} }} }}' for k, v in values.items()]


def _tensor(name: str, kind: str, shape: Iterable[int], optional: bool = False) -> str:
    dimensions = ", ".join(str(size) for size in shape)
    return f'{{ name: "{name}" data_type: TYPE_{kind} dims: [ {dimensions} ]{" optional: true" if optional else ""} }}'


def _listed(kind: str, tensors: Sequence[str]) -> list[str]:
    return [f"{kind} {tensor}" for tensor in tensors]


def _meaning(plane: str) -> str:
    return "hole" if plane == "mask" else "line"
