"""Checks that runtime/cpp compiles as Microsoft's compiler would: `python -m tests.runtime.cpp_microsoft STL`.

`STL` is a checkout of github.com/microsoft/STL, at a release that the installed clang fits (vs-2022-17.4 for clang 14).
Clang checks every file in its Microsoft mode, with that standard library, the C library's headers of MinGW-w64, and
declarations of tests/runtime/cpp_microsoft.hpp for what only Visual Studio has. Nothing is linked or run.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .cpp_build import SOURCES, CannotBuildError
from .cpp_windows import PACKAGES, WORK

OF_VISUAL_STUDIO = (
    "vcruntime.h", "vcruntime_new.h", "vcruntime_exception.h", "vcruntime_typeinfo.h", "vcruntime_startup.h", "eh.h",
    "intrin0.h", "isa_availability.h",
)  # fmt: skip
"""Headers whose declarations are in cpp_microsoft.hpp."""

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-unknown-pragmas")
"""What /W4 finds, and more."""

TENSOR_RT = SOURCES / "src" / "backends" / "tensor_rt_runner.cpp"


def find(name: str) -> Path:
    """The folder of a header among the unpacked packages."""
    return next((PACKAGES / "usr" / "include").rglob(name)).parent


def check(file: Path, options: list[str]) -> str:
    """What the compiler says about a file; nothing if it is clean."""
    finished = subprocess.run(
        ["clang++", *options, str(file)], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return finished.stdout if finished.returncode == 0 or finished.stdout else "failed"


def options(stl: Path, empty: Path) -> list[str]:
    """For every file."""
    resources = subprocess.run(["clang", "-print-resource-dir"], check=True, text=True, stdout=subprocess.PIPE)
    for name in OF_VISUAL_STUDIO:
        (empty / name).touch()
    system = (
        empty, stl / "stl" / "inc", Path(resources.stdout.strip()) / "include",
        PACKAGES / "usr" / "x86_64-w64-mingw32" / "include", PACKAGES / "usr" / "include",
        WORK / "libraries" / "include", find("onnxruntime_c_api.h"),
    )  # fmt: skip
    return [
        "--target=x86_64-pc-windows-msvc19.34", "-std=c++17", "-fms-compatibility", "-fgnuc-version=4.2.1", "-nostdinc",
        "-fsyntax-only", "-include", str(Path(__file__).with_suffix(".hpp")), "-D_DLL", "-D_MT",
        "-D_CRT_SECURE_NO_WARNINGS", "-DINPAINTRT_BUILDING", '-DINPAINTRT_VERSION="0"',
        '-DINPAINTRT_ONNXRUNTIME_HINT=""', *WARNINGS, f"-I{SOURCES / 'include'}", f"-I{SOURCES / 'src'}",
        *(part for folder in system for part in ("-isystem", str(folder))),
    ]  # fmt: skip


def for_library(library: str, is_rtx: int, major: int) -> list[str]:
    """For the code that is compiled once for each of TensorRT and TensorRT-RTX, here with the stand-ins' headers."""
    folders = (SOURCES / "src" / "backends" / "cuda_declarations", SOURCES / "tests" / "stand_in")
    return [
        f"-DINPAINTRT_LIBRARY={library}", f"-DINPAINTRT_IS_RTX={is_rtx}", f"-Dnvinfer1=nvinfer1_for_{library}",
        f"-DNV_TENSORRT_MAJOR={major}", '-DINPAINTRT_LIBRARY_NAME="x.dll"', '-DINPAINTRT_LIBRARY_HINT=""',
        *(part for folder in folders for part in ("-isystem", str(folder))),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Check all files, and print what is wrong with them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("stl", type=Path, help="checkout of github.com/microsoft/STL")
    stl = parser.parse_args(arguments).stl
    if not (stl / "stl" / "inc" / "yvals_core.h").exists():
        raise CannotBuildError(f"{stl} holds no stl/inc: name a checkout of github.com/microsoft/STL")
    if shutil.which("clang++") is None or not PACKAGES.is_dir():
        raise CannotBuildError("clang++ and what `make cpp-windows` unpacks are needed")
    places = (SOURCES / "src", SOURCES / "examples")
    files = sorted(file for place in places for file in place.rglob("*.cpp") if "posix" not in file.name)
    with tempfile.TemporaryDirectory() as empty:
        common = options(stl, Path(empty))
        jobs = [(file, common) for file in files if file != TENSOR_RT]
        jobs += [(TENSOR_RT, common + for_library(*each)) for each in (("tensorrt", 0, 11), ("tensorrt_rtx", 1, 1))]
        wrong = [said for file, each in jobs if (said := check(file, each))]
    print("\n".join([*wrong, f"{len(jobs) - len(wrong)} of {len(jobs)} files are clean"]))  # noqa: T201 - for people
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotBuildError as reason:
        sys.exit(f"error: {reason}")
