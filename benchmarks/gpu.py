"""Everything a GPU can say about this project, in one command: builds, validates and measures both network families.

::

    python -m benchmarks.gpu [--minutes 8] [--family "partial convolution"]          or: make gpu

For partial convolution and for gated convolution: export, engines by TensorRT and TensorRT-RTX where they are installed
and accept the GPU, validation, and latency at 256, 512 and 1024 pixels and batches of 1, 4 and 16 against the
baselines, from the smallest shape on, each with a bundle of its own. A step that is impossible here says why, and the
rest goes on. Nothing is downloaded. Results go to
`benchmarks/results/<gpu>.json` and `.md`; without a GPU nothing is written there, and the exit code is 2.
"""

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export import export_onnx
from inpaintrt.export.interface import Interface
from inpaintrt.runtime.backends.gpu import LIBRARIES, local_target
from inpaintrt.runtime.bundle import Profile
from inpaintrt.runtime.console import COULD_NOT_RUN, OK, command_line, say
from inpaintrt.runtime.errors import BackendError, InpaintrtError, UsageError
from inpaintrt.validation.cases.batches import make_batches
from inpaintrt.validation.cases.images import ImageSource
from inpaintrt.validation.cases.job import Plan, open_job
from inpaintrt.validation.judging.corpus import run_job
from inpaintrt.validation.judging.stored import environment, plain_json
from inpaintrt.validation.judging.tolerances import ChosenTolerances
from inpaintrt.validation.latency.hardware import describe_hardware
from inpaintrt.validation.latency.measure import measure_latency

RESULTS = Path(__file__).parent / "results"
WORK = Path("build/gpu")
SIZES = (256, 512, 1024)
BATCHES = (1, 4, 16)
REHEARSED = 1
"""Batches of the mask corpus that are tried without a GPU, where nothing is measured."""

COMPILED = ((1, 512, 512),)
"""What `torch.compile` is measured on: compiling takes longer than everything else."""


@dataclass
class Step:
    """One thing that was tried: how it went, and how long it took."""

    name: str
    result: str
    reason: str
    seconds: float


@dataclass
class Benchmark:
    """All steps and what they measured, within some minutes."""

    seconds: float
    steps: list[Step] = field(default_factory=list)
    families: dict[str, dict[str, Any]] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self.begin)

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something and note how it went; None where it could not be done."""
        start, result, reason, value = time.monotonic(), "done", "", None
        if self.left() <= 0:
            result, reason = "not done", f"the {self.seconds / 60:g} minutes are over"
        else:
            try:
                value = work()
            except Exception as error:  # of any library; the rest goes on
                lines = str(error).strip().splitlines()
                kind = "" if isinstance(error, InpaintrtError) else f"{type(error).__name__}: "
                result, reason = "not done", f"{kind}{lines[0] if lines else ''}"
        done = Step(name, result, reason, round(time.monotonic() - start, 2))
        self.steps.append(done)
        say(f"{done.result:8} {done.seconds:6.1f} s  {name}{f': {reason}' if reason else ''}")
        return value


def partial_convolution() -> tuple[nn.Module, Interface]:
    """The U-Net of the paper, with random weights of trained scale."""
    from inpaintrt.export.networks import PConvUNet

    network = PConvUNet()
    randomise(network)
    return network, network.interface(image_range=(-1.0, 1.0))


def gated_convolution() -> tuple[nn.Module, Interface]:
    """DeepFillv2, with random weights of trained scale."""
    from inpaintrt.export import networks

    if not hasattr(networks, "DeepFillV2"):
        raise InpaintrtError("this release has no gated convolution")
    network = networks.DeepFillV2()
    randomise(network)
    return network, network.interface()


FAMILIES: dict[str, Callable[[], tuple[nn.Module, Interface]]] = {
    "partial convolution": partial_convolution,
    "gated convolution": gated_convolution,
}


def run_shape(benchmark: Benchmark, family: str, shape: tuple[int, int, int], target: str | None, last: int) -> None:
    """All steps of one family at one shape; what needs the GPU is noted as not done where `target` is None.

    Each shape has a bundle of its own: an engine for all of them takes minutes to build and holds the memory of the
    largest, before anything is measured.

    Args:
        benchmark: notes the steps.
        family: a key of `FAMILIES`.
        shape: batch, height and width.
        target: the local GPU, or None.
        last: how many shapes are left with this one, to share the time.
    """
    entry = benchmark.families.setdefault(family, {})
    batch, height, width = shape
    title = f"{family} {batch} x {height}x{width}"
    made = benchmark.step(f"{title}: network", FAMILIES[family])
    if made is None:
        return
    network, interface = made
    folder = WORK / family.replace(" ", "-") / f"{batch}x{height}x{width}"

    export = partial(export_onnx, network, folder, interface=interface, size=(height, width), batch=batch)
    if benchmark.step(f"{title}: export", export) is None:
        return
    for backend in LIBRARIES:
        benchmark.step(f"{title}: {backend} engine", partial(build, benchmark, folder, backend))
    if "validation" not in entry:  # at the first shape, which is the smallest
        cases = None if target else REHEARSED
        benchmark.step(f"{title}: validation", lambda: entry.update(validate_family(folder, network, cases)))
        for name, result, reason in entry.get("validation", []):
            say(f"{'':18}{result}: {name}{f': {reason}' if reason and result != 'pass' else ''}")

    def measure() -> None:
        if target is None:
            raise BackendError("no GPU: latency on this CPU would say nothing about one")
        seconds = max(benchmark.left() / last / 4, 1.0)  # the rest is for exports and engines
        with open_job(folder, network=network) as job:
            measured = measure_latency(job, shapes=[shape], seconds=seconds, compiled=COMPILED)
        latency = entry.setdefault("latency", {**measured, "shapes": []})
        latency["shapes"] += measured["shapes"]

    benchmark.step(f"{title}: latency", measure)


def build(benchmark: Benchmark, folder: Path, backend: str) -> None:
    """In a process of its own: Polygraphy serves one library for each process."""
    program = "from inpaintrt.engines.command import main; main()"
    command = [sys.executable, "-c", program, str(folder), "--backend", backend, "--plan"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=max(benchmark.left(), 1))
    except subprocess.TimeoutExpired:
        raise BackendError("the time was over before it was built") from None
    if done.returncode:
        raise BackendError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))


def validate_family(folder: Path, network: nn.Module, cases: int | None) -> dict[str, Any]:
    """Every candidate on the mask corpus at the smallest size, in batches of two where the network takes them.

    Args:
        folder: the bundle.
        network: it was exported from.
        cases: batches to try; all if None.
    """
    with open_job(folder, network=network) as job:
        profile = job.bundle.interface.profile
        side, count = profile.height[0], min(2, profile.batch[2])
        small = Profile((count,) * 3, (side,) * 3, (side,) * 3)
        batches = tuple(make_batches(small, ImageSource(), 0))[:cases]
        plan = Plan(batches, 0, f"{len(batches)} batches of synthetic images of {side}x{side}")
        report = run_job(job, plan, ChosenTolerances(), lambda _, __: None)
    return {
        "passed": report.passed,
        "validation": [(each.name, each.result, each.reason) for each in report.candidates if each.judged],
        "parity": [each.to_dict() | {"cases": []} for each in report.candidates],
    }


def table(families: dict[str, dict[str, Any]]) -> str:
    """The medians of all families as Markdown."""
    titles = ("family", "images", "candidate", "p50 ms", "p99 ms", "compute p50", "images/s", "speed-up", "x floor")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for family, entry in families.items():
        for shape in entry.get("latency", {}).get("shapes", []):
            for name, row in shape["rows"].items():
                times, compute = row["end to end"], row.get("compute", {}).get("p50")
                cells = [family, shape["title"], name, f"{1000 * times['p50']:.3g}", f"{1000 * times['p99']:.3g}",
                         f"{1000 * compute:.3g}" if compute else "", f"{row['throughput']:.4g}",
                         f"{row['speed_up']:.3g}" if row["speed_up"] else "",
                         f"{row['times_the_floor']:.3g}" if "times_the_floor" in row else "",
                         f"{1000 * row['estimated_seconds']:.3g}" if "estimated_seconds" in row else ""]  # fmt: skip
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(
    minutes: Annotated[float, typer.Option(help="After these, no further step begins.", min=0.1)] = 8.0,
    family: Annotated[
        list[str] | None, typer.Option(help=f"Only this one of: {', '.join(FAMILIES)}; may be repeated.")
    ] = None,
) -> None:
    """Build, validate and measure both network families on the local GPU; exit code 2 without one, 1 if any fails."""
    unknown = sorted(set(family or ()) - set(FAMILIES))
    if unknown:
        raise UsageError(f"--family {unknown[0]!r}: expected {' or '.join(FAMILIES)}")
    benchmark = Benchmark(60 * minutes)
    target, hardware = benchmark.step("GPU", local_target), describe_hardware()
    name = hardware["gpu"]["name"] if isinstance(hardware["gpu"], dict) else str(target)
    chosen = [name for name in FAMILIES if not family or name in family]
    # Without a GPU the steps are rehearsed at the smallest shape.
    shapes = [(batch, size, size) for size in SIZES for batch in BATCHES] if target else [(BATCHES[0], *SIZES[:1] * 2)]
    rounds = [(name, shape) for shape in sorted(shapes, key=math.prod) for name in chosen]
    for number, (each, shape) in enumerate(rounds):
        run_shape(benchmark, each, shape, target, len(rounds) - number)
    result = {
        "command": " ".join(["python -m benchmarks.gpu", *sys.argv[1:]]), "target": target, "hardware": hardware,
        "environment": environment(),
        "steps": [asdict(step) for step in benchmark.steps], "families": benchmark.families,
    }  # fmt: skip
    content = json.dumps(plain_json(result), indent=1, allow_nan=False) + "\n"
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "steps.json").write_text(content)
    if target is None:
        where = WORK / "steps.json"
        say(f"nothing could run on a GPU: {benchmark.steps[0].reason}; no results were written ({where} has the steps)")
        raise typer.Exit(COULD_NOT_RUN)
    path = RESULTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(content)
    path.with_suffix(".md").write_text(table(benchmark.families))
    print(table(benchmark.families))  # noqa: T201 - this is a program for people to read
    say(f"results: {path}")
    failed = any(not entry.get("passed", True) for entry in benchmark.families.values())
    raise typer.Exit(1 if failed else OK)


if __name__ == "__main__":
    command_line(main)()
