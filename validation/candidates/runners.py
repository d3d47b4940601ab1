"""What runs an ONNX model or an engine: one way to open each, for parity and latency alike (PyTorch: torch_runner.py).

A runner takes from host memory what the deployed network takes and leaves in host memory what it gives.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.backends.choice import fitting_engines
from inpaintrt.runtime.backends.onnx_runtime import check_device, open_session
from inpaintrt.runtime.bundle import Artifact, Bundle

from .probes import add_outputs

Arrays = Mapping[str, NDArray[Any]]
Parts = dict[str, list[float]]

PARTS = ("host to device", "compute", "device to host")
"""What a call on a GPU consists of."""


@dataclass(frozen=True)
class Runner:
    """Something that was opened.

    Args:
        run: inputs by name to outputs by name.
        time_parts: seconds of each of `PARTS` for so many calls, where they can be told apart.
        close: frees it, and stores what it stores, such as a runtime cache.
    """

    run: Callable[[Arrays], dict[str, NDArray[Any]]]
    time_parts: Callable[[Arrays, int], Parts] | None = None
    close: Callable[[], None] = lambda: None


def open_onnx(
    content: bytes, device: str, probes: tuple[str, ...] = (), threads: int = 0, keep: int | None = None,
    pinned: bool = False,
) -> Runner:  # fmt: skip
    """An ONNX model on ONNX Runtime.

    Args:
        content: of the file.
        device: `cpu` or `cuda`.
        probes: names of inner values that are given besides the outputs, where the graph has them.
        threads: on the CPU; 0 leaves it to ONNX Runtime.
        keep: pixels of a call whose memory is kept on the CPU; calls on more give theirs back. None keeps all.
        pinned: copy through pinned memory on a GPU, as engines do.

    Raises:
        BackendError: if the device cannot be used. A model that does not load raises ONNX Runtime's own exception.
    """
    check_device(device)
    if probes:
        model = ir.from_proto(onnx.load_from_string(content))
        add_outputs(model, probes)
        content = ir.to_proto(model).SerializeToString()
    session = open_session(content, device, threads)
    names = [value.name for value in session.get_outputs()]

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        options = run_options(inputs, keep if device == "cpu" else None)
        return dict(zip(names, session.run(names, dict(inputs), options), strict=True))

    def time_parts(inputs: Arrays, rounds: int) -> Parts:
        return _time_session(session, names, inputs, rounds)

    if device != "cuda":
        return Runner(run)
    if pinned:
        from .pinned_calls import PinnedCalls  # torch only where latency is measured

        return Runner(PinnedCalls(session, names).run, time_parts)
    return Runner(run, time_parts)


def run_options(inputs: Arrays, keep: int | None) -> Any:
    """Options of a call on a CPU: ONNX Runtime keeps the memory of every call unless it is told not to.

    Args:
        inputs: of the call; `image` has three values for each pixel.
        keep: as `open_onnx`.
    """
    from onnxruntime import RunOptions

    options = RunOptions()
    if keep is not None and inputs["image"].size > 3 * keep:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def open_engine(bundle: Bundle, engine: Artifact) -> Runner:
    """An engine of the bundle on the GPU of this machine.

    Raises:
        BackendError: if it was not built for this machine, or does not load.
    """
    fitting_engines([engine], str(engine.backend))
    from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend  # only with a GPU

    backend = TensorRTBackend(bundle, engine)
    return Runner(backend.run_tensors, backend.time_parts, backend.close)


def _time_session(session: Any, outputs: list[str], inputs: Arrays, rounds: int) -> Parts:
    """By synchronised calls: ONNX Runtime has no events."""
    from onnxruntime import OrtValue

    seconds: Parts = {name: [] for name in PARTS}
    for _ in range(rounds):
        marks = [time.perf_counter()]
        binding = session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), "cuda", 0))
        for name in outputs:
            binding.bind_output(name, "cuda")
        binding.synchronize_inputs()
        marks.append(time.perf_counter())
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        marks.append(time.perf_counter())
        binding.copy_outputs_to_cpu()
        marks.append(time.perf_counter())
        for name, start, end in zip(PARTS, marks, marks[1:], strict=False):
            seconds[name].append(end - start)
    return seconds
