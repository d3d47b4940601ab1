"""Builds runtime/cpp outside the source tree and runs its tests.

`python -m tests.runtime.cpp_build` runs the long checks.

The long checks are the sanitizer builds, 10,000 altered bundles and 1,000 cycles of opening and closing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SOURCES = Path(__file__).parents[2] / "runtime" / "cpp"
PACKAGES = Path(__file__).parents[2] / "build" / "cpp-packages"
"""Where `make cpp-packages` unpacks what is not installed."""

HOW_TO_MEND = "make cpp-packages gets it (Debian), or see docs/embed-cpp.md"


class CannotBuildError(Exception):
    """Something that building needs is not here; the words say what, and how to get it."""


def build(folder: Path, *options: str) -> None:
    """Configure and build into `folder`, with TensorRT where TENSORRT_ROOT or TENSORRT_RTX_ROOT name its headers.

    Raises:
        CannotBuildError: if a compiler, CMake or a header is missing.
        AssertionError: with the compiler's words, if the sources do not build.
    """
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            raise CannotBuildError(f"{tool} is not installed; a C++17 compiler and CMake 3.25 are needed")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options += tuple(
        f"-DINPAINTRT_{library}=ON" for library in ("TENSORRT", "TENSORRT_RTX") if f"{library}_ROOT" in os.environ
    )
    configured = run(
        "cmake", *generator, "-S", SOURCES, "-B", folder, "-DINPAINTRT_TESTS=ON", "-DINPAINTRT_BENCHMARKS=ON",
        f"-DCMAKE_PREFIX_PATH={PACKAGES / 'usr'}", f"-DPython3_EXECUTABLE={sys.executable}", *options,
    )  # fmt: skip
    if configured.returncode:
        missing = [line.strip() for line in configured.stdout.splitlines() if "is missing" in line]
        if missing:
            raise CannotBuildError(f"{missing[0]} ({HOW_TO_MEND})")
        raise AssertionError(configured.stdout)
    built = run("cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1))
    assert built.returncode == 0, built.stdout


def run_tests(folder: Path, bundles: Path, **figures: int) -> str:
    """Run CTest on the bundles of `make_bundles`; its output.

    Args:
        folder: of `build`.
        bundles: folder of the bundles.
        figures: environment variables that make some tests longer.

    Raises:
        AssertionError: with the output, if a test fails.
    """
    environment = {name: str(value) for name, value in figures.items()} | {"INPAINTRT_TEST_BUNDLES": str(bundles)}
    finished = run("ctest", "--test-dir", folder, "--output-on-failure", "--verbose", environment=environment)
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def run(*command: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; what it prints on both streams is in `stdout`."""
    return subprocess.run(
        [str(part) for part in command], check=False, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | (environment or {}),
    )  # fmt: skip


def make_bundles(folder: Path) -> None:
    """What the tests open: bundles of small networks with random weights, and `make_cases`."""
    from inpaintrt.export import Interface, export_onnx
    from tests.conftest import make_network
    from tests.guided import Guided

    network = make_network()
    interface = network.interface(image_range=(-1.0, 1.0))
    export_onnx(network, folder / "static", interface=interface, size=(64, 64))
    export_onnx(network, folder / "dynamic", interface=interface, dynamic=(32, 64, 96), batch=(1, 2, 3))
    export_onnx(network, folder / "fixed", interface=interface, batch=(1, 2, 3), fixed_mask=logo())
    guided = Interface(sketch=True, size_multiple=8)
    export_onnx(Guided(), folder / "sketch", interface=guided, dynamic=(32, 64, 96))
    make_cases(folder)


def make_cases(folder: Path) -> None:
    """What Python gives for the bundles of `make_bundles`, as files that test_same_bytes.cpp compares with.

    `<bundle>.<number>.case` holds width and height (2 bytes each, the least first), whether there are a mask and lines,
    the bytes of image, mask and lines, and those of the result.
    """
    from inpaintrt.runtime import Inpainter
    from tests.conftest import random_image

    sizes: dict[str, tuple[tuple[int, int], ...]] = {
        "static": ((64, 64), (51, 40), (90, 150)), "dynamic": ((64, 64), (33, 96), (130, 205), (420, 640)),
        "fixed": ((45, 70),), "sketch": ((51, 77), (130, 205)),
    }  # fmt: skip
    for name, shapes in sizes.items():
        with Inpainter(folder / name, device="cpu") as inpaint:
            for number, (shape, share) in enumerate(product(shapes, (0.05, 0.4))):
                image, hole = random_image(*shape, seed=number, share=share)
                hole[shape[0] // 3 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = True
                mask = None if name == "fixed" else hole
                lines = np.roll(hole, 1, axis=1) if name == "sketch" else None
                filled = inpaint(image, mask, sketch=lines)
                header = np.array(shape[::-1], "<u2").tobytes() + bytes([mask is not None, lines is not None])
                planes = [np.zeros(shape, np.uint8) if plane is None else plane for plane in (mask, lines)]
                parts = (image, *(plane.astype(np.uint8) for plane in planes), filled)
                (folder / f"{name}.{number}.case").write_bytes(header + b"".join(part.tobytes() for part in parts))


def logo() -> NDArray[np.bool_]:
    """A mask of 70x45 pixels, no multiples of the network's 8, for `fixed`."""
    hole = np.zeros((45, 70), dtype=np.bool_)
    hole[8:20, 30:62] = True
    return hole


def main() -> None:
    """Run the long checks and print what they say about themselves."""
    checks = {
        "plain": ("", {"INPAINTRT_TEST_ALTERED_FILES": 10_000}),
        "AddressSanitizer, UndefinedBehaviorSanitizer": ("address,undefined", {"INPAINTRT_TEST_ALTERED_FILES": 2_000}),
        "ThreadSanitizer": ("thread", {}),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_bundles(folder / "bundles")
        for title, (sanitizers, figures) in checks.items():
            place = folder / (sanitizers or "plain")
            build(
                place, f"-DINPAINTRT_SANITIZE={sanitizers}", *["-DCMAKE_BUILD_TYPE=RelWithDebInfo"] * bool(sanitizers)
            )
            output = run_tests(place, folder / "bundles", **figures)
            told = [line.split(": ", 1)[-1] for line in output.splitlines() if "altered files" in line or "KiB" in line]
            passed = next(line for line in output.splitlines() if "tests passed" in line)
            print(f"{title}: {passed}; {'; '.join(told)}", flush=True)  # noqa: T201 - a program for people to read


if __name__ == "__main__":
    main()
