"""What the C++ and the Python runtime add to the backend's own run, in one go.

::

    python -m benchmarks.cpp_overhead BUNDLE [--size 512] [--rounds 30]

The time of a call is split into the backend's run and all the rest: checks, padding, copies. Programs and runtimes take
turns, so that a noisy machine is noisy for both; what counts are medians. Results go to `benchmarks/results/`.
"""

import json
import platform
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import onnxruntime
import typer

from inpaintrt.runtime import Inpainter
from tests.runtime import cpp_build

RESULTS = Path(__file__).parent / "results"
TURNS = 3


def measure_python(bundle: Path, size: int, rounds: int) -> dict[str, float]:
    """Medians in microseconds: `run` in the backend, `rest` outside of it."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    mask = rng.integers(0, 4, (size, size), dtype=np.uint8) == 0
    runs, rests = [], []
    with Inpainter(bundle) as inpaint:
        inside = 0.0
        original = inpaint._backend.run

        def timed(*arguments: Any) -> Any:
            nonlocal inside
            start = time.perf_counter()
            result = original(*arguments)
            inside = time.perf_counter() - start
            return result

        inpaint._backend.run = timed  # type: ignore[method-assign,assignment]
        for number in range(rounds + 2):
            start = time.perf_counter()
            inpaint(image, mask)
            whole = time.perf_counter() - start
            if number >= 2:
                runs.append(inside * 1e6)
                rests.append((whole - inside) * 1e6)
    return {"run": median(runs), "rest": median(rests)}


def benchmark(
    bundle: Annotated[Path, typer.Argument(help="Bundle whose network takes the size.")],
    size: Annotated[int, typer.Option(help="Height and width of the image.")] = 512,
    rounds: Annotated[int, typer.Option(help="Calls in each turn.")] = 30,
) -> None:
    """Measure both runtimes on one bundle."""
    turns: dict[str, list[dict[str, Any]]] = {"C++": [], "Python": []}
    with tempfile.TemporaryDirectory() as folder:
        cpp_build.build(Path(folder))
        program = Path(folder) / "benchmarks" / "inpaintrt_overhead"
        for _ in range(TURNS):
            finished = cpp_build.run(program, bundle, str(size), str(rounds))
            turns["C++"].append(json.loads(finished.stdout.splitlines()[-1]))
            turns["Python"].append(measure_python(bundle, size, rounds))
    entries = {
        name: {key: median(turn[key] for turn in kept) for key in kept[0] if key != "backend"}
        for name, kept in turns.items()
    }
    result = {
        "backend": turns["C++"][0]["backend"], "size": size, "rounds": rounds, "turns": TURNS,
        "machine": platform.machine(), "onnxruntime": onnxruntime.__version__, "microseconds": entries,
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cpp_overhead.json").write_text(json.dumps(result, indent=2) + "\n")
    for name, entry in entries.items():
        print(  # noqa: T201
            f"{name}: backend {entry['run'] / 1000:.1f} ms, the rest {entry['rest']:.0f} us "
            f"({entry['rest'] / entry['run']:.2%})"
        )
    alone = entries["C++"]["idle_rest"] - entries["C++"]["copies"]
    print(f"C++ with an idle backend: {entries['C++']['idle_rest']:.0f} us, without its copies {alone:.0f} us")  # noqa: T201


if __name__ == "__main__":
    typer.run(benchmark)
