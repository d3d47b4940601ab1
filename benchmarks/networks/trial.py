"""What becomes of one network: export, accuracy, strict FP16, an engine, and speed against the plain export."""

import copy
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.networks.foreign_code import foreign_code
from benchmarks.networks.public import NETWORKS
from inpaintrt.engines import build_engines
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.engine_support import unsupported_nodes
from inpaintrt.export.tracing.deployed import TensorNetwork, network_inputs
from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import InpaintrtError
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask
from inpaintrt.validation.judging.metrics import relative_l2
from inpaintrt.validation.latency.timing import time_in_turns

Arrays = dict[str, NDArray[np.float32]]

FP32_ERROR = 1e-5
"""Relative L2 error that FP32 may have, or three times that of PyTorch itself where that is more."""

TARGET = "sm89"


def try_network(name: str, folder: Path, size: tuple[int, int], rounds: int, engines: bool) -> dict[str, Any]:
    """Make one network and try it; runs in a process of its own."""
    network = next(network for network in NETWORKS if network.name == name)
    multiple = network.interface.size_multiple
    height, width = (network.size or -(-side // multiple) * multiple for side in size)
    torch.manual_seed(0)
    with foreign_code(*network.paths(folder)), tempfile.TemporaryDirectory() as bundles:
        return attempt(network.make(), network.interface, (height, width), Path(bundles), rounds, engines)


def attempt(
    network: nn.Module, interface: Interface, size: tuple[int, int], folder: Path, rounds: int, engines: bool
) -> dict[str, Any]:
    """Everything about one network and size (height, width), ready for JSON; what fails is named and not raised."""
    row: dict[str, Any] = {"size": f"{size[0]}x{size[1]}"}
    give_statistics(network)
    network.eval()
    deployed = TensorNetwork(network, interface).eval()
    cases = masks(*size)
    inputs = {name: tensors(interface, hole) for name, hole in cases.items()}
    options: dict[str, Any] = {"interface": interface, "size": size, "io": "tensor"}
    start = time.perf_counter()
    try:
        bundle = export_onnx(network, folder / "ours", **options)
    except InpaintrtError as error:
        return {**row, "export": f"{type(error).__name__}: {error}"}
    row |= {"export": "ok", "export_seconds": time.perf_counter() - start}
    row["share_fp16"] = bundle.onnx("fp16").details["fp16_share_of_multiply_adds"]
    row |= accuracy(deployed, bundle, inputs["irregular"])
    row |= strict(bundle, inputs, row.pop("expected"))
    row |= engine(bundle, engines)
    try:
        plain = export_onnx(network, folder / "plain", optimize=False, precisions=("fp32",), **options)
        row |= speed(bundle, plain, inputs["irregular"], rounds)
    except Exception as error:  # the plain export is not ours, and ONNX Runtime's exceptions share no base
        row["speed"] = f"the plain export: {str(error).splitlines()[0][:200]}"
    row["peak_memory_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return row


def give_statistics(network: nn.Module) -> None:
    """Batch norm as after training: random statistics and factors, all seeded by the caller."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5)):
                if values is not None:
                    nn.init.uniform_(values, low, high)


def masks(height: int, width: int) -> dict[str, NDArray[np.bool_]]:
    """A usual mask, and those on which networks with masks go wrong; True = hole."""
    one = np.ones((height, width), np.bool_)
    one[height // 3, width // 3] = False
    usual = irregular_mask(height, width, HOLE_RATIO_BUCKETS[2], np.random.default_rng(0))
    return {"irregular": usual, "one known pixel": one, "all hole": np.ones_like(one), "all known": np.zeros_like(one)}


def tensors(interface: Interface, hole: NDArray[np.bool_]) -> Arrays:
    """What the network is given: a smooth random image [1,3,H,W] and the mask [1,1,H,W]."""
    height, width = hole.shape
    coarse = torch.rand(1, 3, max(height // 16, 2), max(width // 16, 2), generator=torch.Generator().manual_seed(1))
    image = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    pair = network_inputs(interface, image, torch.from_numpy(hole)[None, None].float())
    return dict(zip(("image", "mask"), (tensor.numpy() for tensor in pair), strict=True))


def accuracy(deployed: TensorNetwork, bundle: Bundle, inputs: Arrays) -> dict[str, Any]:
    """Relative L2 errors to PyTorch in FP64, or in FP32 where the network's code fixes its type."""
    with torch.no_grad():
        single = deployed(*map(torch.from_numpy, inputs.values()))[0].numpy()
        double = in_double(deployed, inputs)
    expected = single if double is None else double
    session = open_session(bundle.file(bundle.onnx("fp32")), "cpu")
    error = relative_l2(session.run(["output"], inputs)[0], expected)
    own = relative_l2(single, expected)
    return {
        "reference": "FP32" if double is None else "FP64",
        "fp32_error": error,
        "pytorch_error": own,
        "fp32_holds": bool(error <= max(FP32_ERROR, 3 * own)),
        "expected": expected,
    }


def in_double(deployed: TensorNetwork, inputs: Arrays) -> NDArray[Any] | None:
    """The network's output in FP64; None if its code fixes its type."""
    try:
        exact = copy.deepcopy(deployed).double()
        torch.set_default_dtype(torch.float64)
        result: NDArray[Any] = exact(*(torch.from_numpy(array).double() for array in inputs.values()))[0].numpy()
        return result if result.dtype == np.float64 else None
    except (RuntimeError, ValueError):
        return None
    finally:
        torch.set_default_dtype(torch.float32)


def strict(bundle: Bundle, inputs: Mapping[str, Arrays], expected: NDArray[Any]) -> dict[str, Any]:
    """Whether every FP16 value is finite with every mask, and how far off FP16 is with the usual one."""
    evaluation = StrictFp16(ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx("fp16")))))
    broken = {}
    error = float("nan")
    for name, arrays in inputs.items():
        result = evaluation.run(arrays)
        if name == "irregular":
            error = relative_l2(result.outputs["output"], expected)
        if result.first_non_finite is not None:
            broken[name] = result.first_non_finite
    return {"strict_fp16_error": error, "strict_fp16_not_finite": broken}


def engine(bundle: Bundle, build: bool) -> dict[str, Any]:
    """Whether an engine builds, or what the export said at once that no engine takes."""
    refused = unsupported_nodes(bundle.file(bundle.onnx("fp16")))
    if refused:
        return {"engine": "refused at export: " + ", ".join(sorted({node.operator for node in refused}))}
    if not build:
        return {"engine": "the parser takes it"}
    start = time.perf_counter()
    try:
        build_engines(bundle.path, backend="tensorrt-rtx", target=TARGET)
    except InpaintrtError as error:
        return {"engine": f"{type(error).__name__}: {error}"}
    return {"engine": "builds", "engine_seconds": time.perf_counter() - start}


def speed(bundle: Bundle, plain: Bundle, inputs: Arrays, rounds: int) -> dict[str, Any]:
    """How much faster the FP32 graph is than the plain export, in turns on ONNX Runtime's CPU; 0 rounds for nothing."""
    if not rounds:
        return {}

    def runner(of: Bundle) -> Callable[[], Any]:
        session = open_session(of.file(of.onnx("fp32")), "cpu")
        return lambda: session.run(["output"], inputs)

    seconds = time_in_turns({"ours": runner(bundle), "plain": runner(plain)}, rounds)
    ours, theirs = median(seconds["ours"]), median(seconds["plain"])
    return {"seconds": ours, "plain_seconds": theirs, "speed": theirs / ours}
