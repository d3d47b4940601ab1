"""Latency of a bundle's artifacts and of the baselines, all in one run, taking turns.

For each shape: percentiles end to end and of copies and compute, throughput, memory, and the time from opening to the
first result. On a GPU also the floor that no program passes (see `roofline.py`), and beside each engine the estimate
from its kernel plan (see `estimated.py`).
"""

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inpaintrt.engines.gpus import gpu_of_device
from inpaintrt.export.exporter import export_source
from inpaintrt.export.options import ExportOptions
from inpaintrt.export.quiet import quiet_loggers
from inpaintrt.export.source import from_module
from inpaintrt.runtime.backends.gpu import local_target
from inpaintrt.runtime.bundle import Bundle, Profile
from inpaintrt.runtime.errors import BackendError, InpaintrtError

from ..cases.images import ImageSource
from ..cases.job import Job, OnProgress
from ..cases.masks import irregular_mask, line_drawing
from ..judging.stored import environment, plain_json
from .estimated import add_estimates, estimates_for
from .hardware import describe_hardware
from .roofline import floor_for, measure_rates
from .subjects import PLAIN, Subject, device_memory, find_subjects
from .timing import WARM_UPS, percentiles, time_in_turns

Shape = tuple[int, int, int]

HOLES = (0.2, 0.3)
"""Hole ratio of the masks that are filled; the work does not depend on it."""


def measure_latency(
    job: Job,
    *,
    shapes: Sequence[Shape] | None = None,
    rounds: int = 100,
    seconds: float = 20.0,
    compiled: Sequence[Shape] | None = None,
    on_progress: OnProgress = lambda _, __: None,
) -> dict[str, Any]:
    """Measure everything that runs here; plain values for `latency.json`.

    Args:
        job: the bundle and its network.
        shapes: (batch, height, width) of each measurement; what the profile names if None.
        rounds: calls of each subject that are timed, at most.
        seconds: after this time for a shape, no further round begins.
        compiled: shapes for which `torch.compile` is measured too, which compiles for each; all if None.
        on_progress: called with the name of what runs and the share done, 0..1.
    """
    device, why = _device()
    shapes = list(shapes or profile_shapes(job.bundle.interface.profile))
    hardware = describe_hardware()
    gpu = gpu_of_device(hardware["gpu"]["name"]) if device == "cuda" and isinstance(hardware["gpu"], dict) else None
    result: dict[str, Any] = {
        "note": f"Host to host, {why}. Every subject takes its turn in every round. Speed-up is over the plain export; "
        "first is the time from opening to the first result; memory is what both added.",
        "device": device, "hardware": hardware, "environment": environment(),
        "threads": torch.get_num_threads(),
        "weights_sha256": job.bundle.source.get("weights_sha256"), "shapes": [], "not_run": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, _quiet(), contextlib.ExitStack() as stack:
        plain = _plain_export(job, Path(folder), result["not_run"])
        subjects = list(find_subjects(job.bundle, job.reference.network, device, plain))
        stack.callback(_close_all, subjects)
        rates = measure_rates(device)
        result["rates"] = plain_json(rates)
        for number, shape in enumerate(shapes):
            on_progress("measuring latency", number / len(shapes))
            all_of_them = compiled is None or shape in compiled
            chosen = [each for each in subjects if all_of_them or not each.name.startswith("torch.compile")]
            measured = _measure_shape(job.bundle, chosen, shape, rounds, seconds, result["not_run"])
            floor = floor_for(job.bundle, shape, rates)
            if floor:
                measured |= {"floor_seconds": floor["seconds"], "floor": floor["words"]}
                for row in measured["rows"].values():
                    row["times_the_floor"] = row.get("compute", row["end to end"])["p50"] / floor["seconds"]
            measured["estimates"] = add_estimates(measured["rows"], estimates_for(job.bundle, shape, gpu))
            result["shapes"].append(measured)
    return result


def _close_all(subjects: Sequence[Subject]) -> None:
    for subject in subjects:
        if subject.opened is not None:
            subject.opened.close()


def profile_shapes(profile: Profile) -> list[Shape]:
    """Every batch size the profile names at the best size, and its other sizes at the smallest batch."""
    best = profile.height[1], profile.width[1]
    sizes = [(profile.height[index], profile.width[index]) for index in (0, 2)]
    shapes = [(batch, *best) for batch in profile.batch] + [(profile.batch[0], *size) for size in sizes]
    return list(dict.fromkeys(shapes))


def _device() -> tuple[str, str]:
    try:
        return "cuda", f"on the GPU ({local_target()})"
    except BackendError as error:
        return "cpu", f"on the CPU, because here is {error}"


def _plain_export(job: Job, folder: Path, not_run: dict[str, str]) -> Bundle | None:
    network = job.reference.network
    deployed = job.bundle.interface
    options = ExportOptions(deployed.profile, deployed.io, ("fp32",), optimize=False)
    try:
        source = from_module(network.tensor_network.network, network.interface)
        return export_source(source, folder / "plain", options)[0]
    except InpaintrtError as error:
        not_run[PLAIN] = str(error)
        return None


def _measure_shape(
    bundle: Bundle, subjects: Sequence[Subject], shape: Shape, rounds: int, seconds: float, not_run: dict[str, str]
) -> dict[str, Any]:
    whole = _inputs(bundle, shape)
    # A network whose mask is fixed takes none; the baselines always do.
    own = {name: whole[name] for name in bundle.interface.inputs}
    rows: dict[str, dict[str, Any]] = {}
    running: dict[str, Subject] = {}
    for subject in subjects:
        if subject.name in not_run:
            continue
        try:
            rows[subject.name] = _start(subject, whole if subject.baseline else own)
        except Exception as error:  # of any library; the others go on
            first = str(error).strip().splitlines()
            not_run[subject.name] = first[0][:300] if first else type(error).__name__
        else:
            running[subject.name] = subject
    calls = {
        name: partial(subject.opened.run, whole if subject.baseline else own)
        for name, subject in running.items()
        if subject.opened is not None
    }
    for name, taken in time_in_turns(calls, rounds, WARM_UPS - 1, seconds).items():
        rows[name] |= {"end to end": percentiles(taken), "rounds": len(taken)}
        rows[name]["throughput"] = shape[0] / rows[name]["end to end"]["p50"]
    for name, subject in running.items():
        parts = subject.opened.time_parts if subject.opened else None
        if parts is not None:
            apart = parts(whole if subject.baseline else own, rows[name]["rounds"] + 1)
            rows[name] |= {part: percentiles(values[1:]) for part, values in apart.items()}
    plain = next((row["end to end"]["p50"] for name, row in rows.items() if name.startswith(PLAIN)), None)
    for row in rows.values():
        row["speed_up"] = plain / row["end to end"]["p50"] if plain else None
    batch, height, width = shape
    return {"batch": batch, "height": height, "width": width, "title": f"{batch} x {height}x{width}", "rows": rows}


def _start(subject: Subject, inputs: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Open a subject where it is not open yet, and let it run once."""
    row: dict[str, Any] = {"baseline": subject.baseline, "device": subject.device, "sha256": subject.sha256}
    before, start = device_memory(subject.device), time.perf_counter()
    fresh = subject.opened is None
    opened = subject.opened or subject.open()
    opened.run(inputs)
    subject.opened = opened
    after = device_memory(subject.device)
    row["first_seconds"] = time.perf_counter() - start if fresh else None
    row["memory_bytes"] = max(after - before, 0) if fresh and before is not None and after is not None else None
    return row


def _inputs(bundle: Bundle, shape: Shape) -> dict[str, NDArray[Any]]:
    batch, height, width = shape
    rng = np.random.default_rng(0)
    images = ImageSource().images(height, width)
    image = np.stack([next(images) for _ in range(batch)])
    hole = np.stack([irregular_mask(height, width, HOLES, rng) for _ in range(batch)])
    line = np.stack([line_drawing(height, width, rng) for _ in range(batch)])
    if bundle.interface.io == "image":
        inputs: dict[str, NDArray[Any]] = {"image": image, "mask": hole.astype(np.uint8)}
        lines: NDArray[Any] = line.astype(np.uint8)
    else:
        known = ~hole[:, None] if bundle.network.get("mask_polarity") == "valid" else hole[:, None]
        planes = np.ascontiguousarray(image.transpose(0, 3, 1, 2)).astype(np.float32) / 255
        inputs = {"image": planes, "mask": known.astype(np.float32)}
        lines = (line & hole)[:, None].astype(np.float32)
    return inputs | {"sketch": lines} if "sketch" in bundle.interface.inputs else inputs


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what compilers say of their own work from the terminal."""
    with warnings.catch_warnings(), quiet_loggers(("torch._inductor", "torch._dynamo")):
        warnings.simplefilter("ignore")
        yield
