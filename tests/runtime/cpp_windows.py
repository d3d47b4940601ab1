"""Builds runtime/cpp for Windows with MinGW-w64 and runs it under Wine: `make cpp-windows`.

What it needs lies in `build/windows-packages` (tests/runtime/cpp_packages.sh, from Debian's packages, without root) or
is installed. ONNX Runtime's Windows library comes from its wheel, of the release that Python has here, so that both run
the same code. Everything it makes lies in `build/`.
"""

import importlib.metadata
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from . import cpp_build
from .cpp_build import CannotBuildError

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "build" / "windows-packages"
WORK = ROOT / "build" / "windows"
BUILT = ROOT / "build" / "cpp-mingw"
TOOLCHAIN = cpp_build.SOURCES / "cmake" / "mingw-w64.cmake"
LIBRARIES = {
    "googletest": ("-DBUILD_GMOCK=OFF",),
    "libpng1.6": ("-DPNG_SHARED=OFF", "-DPNG_TESTS=OFF", "-DPNG_EXECUTABLES=OFF"),
    "libjpeg-turbo": ("-DENABLE_SHARED=OFF", "-DWITH_SIMD=OFF"),
}
"""Sources from Debian that are built for Windows, with their options."""

HOW_TO_GET_IT = (
    "make cpp-windows unpacks it where there is apt-get; elsewhere install MinGW-w64's g++ with POSIX threads, its "
    "zlib, Wine 8 or later, CMake and Ninja (Debian: g++-mingw-w64-x86-64-posix libz-mingw-w64-dev wine64 cmake "
    "ninja-build)"
)

OF_WINDOWS = {"kernel32.dll", "msvcrt.dll", "shell32.dll", "user32.dll", "advapi32.dll", "ucrtbase.dll"}
"""What programs and library may need besides `inpaintrt.dll`: nothing of the toolchain."""

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(newcomer LANGUAGES C)
find_package(inpaintrt CONFIG REQUIRED)
add_executable(newcomer main.c)
target_link_libraries(newcomer PRIVATE inpaintrt::inpaintrt)
"""

CANCELLATIONS = 8


def main() -> None:
    """Build, test, and say what was found."""
    wine = write_launcher()
    build_libraries()
    library = unpack_onnxruntime()
    os.environ["INPAINTRT_ONNXRUNTIME_LIBRARY"] = windows_path(library)
    check("cmake", "--preset", "mingw", folder=cpp_build.SOURCES)
    check("cmake", "--build", BUILT, "--parallel", str(os.cpu_count() or 1))
    for program in [*(BUILT / "bin").glob("*.exe"), BUILT / "bin" / "inpaintrt.dll"]:
        check_imports(program)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpp_build.make_bundles(folder / "bundles")
        keep_running(wine)
        output = cpp_build.run_tests(BUILT, Path(windows_path(folder / "bundles")), INPAINTRT_TEST_CYCLES=20)
        say(next(line for line in output.splitlines() if "tests passed" in line))
        check_program(wine, folder)
        check_plugin(wine, folder / "bundles" / "dynamic")
        check_installed(wine, folder)


def say(words: str) -> None:
    """Print a line at once."""
    print(words, flush=True)  # noqa: T201 - a program for people to read


def check(*command: str | Path, folder: Path | None = None, expected: tuple[int, ...] = (0,)) -> str:
    """Run a command that must end with an expected code; its output on both streams."""
    finished = subprocess.run(
        [str(part) for part in command], check=False, text=True, errors="replace", cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert finished.returncode in expected, f"{command}: {finished.returncode}\n{finished.stdout}"
    return finished.stdout


def windows_path(path: Path) -> str:
    """The name that a path of this machine has under Wine."""
    return f"Z:{path.resolve()}".replace("/", "\\")


def compiler() -> Path:
    """The C++ compiler for Windows.

    Raises:
        CannotBuildError: if there is none.
    """
    unpacked = PACKAGES / "usr" / "bin" / "x86_64-w64-mingw32-g++-posix"
    found = str(unpacked) if unpacked.exists() else shutil.which("x86_64-w64-mingw32-g++-posix")
    if found is None:
        raise CannotBuildError(f"no compiler for Windows; {HOW_TO_GET_IT}")
    return Path(found)


def write_launcher() -> Path:
    """A script that runs a Windows program under Wine, with a Windows of its own in `build/windows/wine`.

    Raises:
        CannotBuildError: if there is no compiler or no Wine.
    """
    tools = compiler().parent.parent
    unpacked = PACKAGES / "usr" / "lib" / "wine" / "wine64"
    wine = str(unpacked) if unpacked.exists() else shutil.which("wine64") or shutil.which("wine")
    if wine is None:
        raise CannotBuildError(f"no Wine; {HOW_TO_GET_IT}")
    prefix = WORK / "wine"
    WORK.mkdir(parents=True, exist_ok=True)
    launcher = WORK / "wine.sh"
    launcher.write_text(f"""#!/bin/sh
export WINEPREFIX='{prefix}' WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= DISPLAY=
export LC_ALL=C.UTF-8  # in another locale Wine cannot name files of this machine in Japanese
export LD_LIBRARY_PATH='{PACKAGES}/usr/lib/x86_64-linux-gnu'
exec '{wine}' "$@"
""")
    launcher.chmod(0o755)
    # Debian's Wine takes its zlib from MinGW-w64's, which it expects in /usr.
    system, zlib = prefix / "drive_c" / "windows" / "system32", tools / "x86_64-w64-mingw32" / "lib" / "zlib1.dll"
    system.mkdir(parents=True, exist_ok=True)
    if zlib.exists():
        shutil.copy(zlib, system)
    check(launcher, "wineboot", "--init")
    return launcher


def keep_running(wine: Path) -> None:
    """Start Wine's server and its own processes for some minutes, so that programs start several times as fast."""
    unpacked = PACKAGES / "usr" / "lib" / "wine" / "wineserver"
    server = str(unpacked) if unpacked.exists() else shutil.which("wineserver")
    environment = os.environ | {
        "WINEPREFIX": str(WORK / "wine"), "LD_LIBRARY_PATH": str(PACKAGES / "usr" / "lib" / "x86_64-linux-gnu"),
    }  # fmt: skip
    for command in ([server, "-p300"], [wine, "wineboot"]):
        if server is not None:  # they would keep a pipe open
            nowhere = subprocess.DEVNULL
            # A server that runs already refuses a second one.
            subprocess.run(command, check=False, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def build_libraries() -> None:
    """GoogleTest, libpng and libjpeg-turbo for Windows, once, in `build/windows/libraries`.

    Raises:
        CannotBuildError: if their sources are not here.
    """
    prefix, tools = WORK / "libraries", compiler().parent.parent
    for name, options in LIBRARIES.items():
        sources, folder, done = PACKAGES / "sources" / name, WORK / name, WORK / f"{name}.done"
        if done.exists():
            continue
        if not sources.is_dir():
            raise CannotBuildError(f"the sources of {name} are not in {sources}; {HOW_TO_GET_IT}")
        say(f"building {name} for Windows")
        check(
            "cmake", "-G", "Ninja", "--toolchain", TOOLCHAIN, f"-DMINGW_ROOT={tools}", "-S", sources, "-B", folder,
            "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", f"-DCMAKE_INSTALL_PREFIX={prefix}",
            f"-DCMAKE_PREFIX_PATH={prefix};{tools / 'x86_64-w64-mingw32'}", *options,
        )  # fmt: skip
        check("cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1))
        check("cmake", "--install", folder)
        done.touch()


def unpack_onnxruntime() -> Path:
    """ONNX Runtime's library for Windows, of the release that Python has here."""
    version = importlib.metadata.version("onnxruntime")
    folder = WORK / f"onnxruntime-{version}"
    library = folder / "onnxruntime.dll"
    if not library.exists():
        say(f"fetching onnxruntime {version} for Windows")
        check(
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--platform",
            "win_amd64", "--dest", folder, f"onnxruntime=={version}",
        )  # fmt: skip
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                if re.fullmatch(r"onnxruntime/capi/onnxruntime\w*\.dll", name):
                    (folder / Path(name).name).write_bytes(wheel.read(name))
    return library


def check_imports(program: Path) -> None:
    """Nothing but Windows itself and this library is needed."""
    listed = check(compiler().with_name("x86_64-w64-mingw32-objdump"), "-p", program)
    needed = {name.lower() for name in re.findall(r"DLL Name: (\S+)", listed)}
    foreign = {name for name in needed - OF_WINDOWS - {"inpaintrt.dll"} if not name.startswith("api-ms-win-")}
    assert not foreign, f"{program.name} needs {sorted(foreign)}"


def check_program(wine: Path, folder: Path) -> None:
    """The program gives Python's bytes, with bundle and images on paths that are hard for Windows programs."""
    from inpaintrt.runtime import Inpainter
    from tests.conftest import random_image

    program = BUILT / "bin" / "inpaintrt-cli.exe"
    bundle = folder / "bundles" / "dynamic"
    image, hole = random_image(150, 210, seed=1)
    names = ["plain", "with spaces", "Grüße äöß", "修復 写真", "/".join(["long" * 15] * 6)]
    with Inpainter(bundle, device="cpu") as python:
        expected = python(image, hole)
    for name in names:
        place = folder / "places" / name
        place.mkdir(parents=True)
        shutil.copytree(bundle, place / "bundle")
        Image.fromarray(image).save(place / "image.png")
        Image.fromarray(hole.astype(np.uint8) * 255).save(place / "mask.png")
        arguments = [windows_path(place / part) for part in ("bundle", "image.png", "mask.png", "out.png")]
        check(wine, program, *arguments)
        assert (np.array(Image.open(place / "out.png")) == expected).all(), name
    say(f"inpaintrt-cli gives Python's bytes under {', '.join(names[:-1])}, and a path of {len(str(place))} characters")


def check_plugin(wine: Path, bundle: Path) -> None:
    """The example of a plug-in, cancelled at random moments, fills all or nothing."""
    program = BUILT / "bin" / "inpaintrt-plugin.exe"
    rng = random.Random(0)
    assert "done; the image changed" in check(wine, program, windows_path(bundle), "300")
    ends = []
    for _ in range(CANCELLATIONS):
        output = check(wine, program, windows_path(bundle), "300", str(rng.randrange(300)), expected=(0, 3))
        # ONNX Runtime may add a line of its own, as there is no DirectX.
        ends += [line.strip() for line in output.splitlines() if "; the image" in line]
    assert len(ends) == CANCELLATIONS, ends
    assert set(ends) <= {"done; the image changed", "cancelled; the image is unchanged"}, ends
    cancelled = sum(end.startswith("cancelled") for end in ends)
    say(f"inpaintrt-plugin: {cancelled} of {CANCELLATIONS} calls ended at a random moment, none left a half result")


def check_installed(wine: Path, folder: Path) -> None:
    """An installed library is found by a new project in C, which runs."""
    prefix, project = folder / "prefix", folder / "project"
    check("cmake", "--install", BUILT, "--prefix", prefix)
    project.mkdir()
    (project / "CMakeLists.txt").write_text(PROJECT)
    shutil.copy(cpp_build.SOURCES / "examples" / "fill.c", project / "main.c")
    tools = compiler().parent.parent
    check(
        "cmake", "-G", "Ninja", "--toolchain", TOOLCHAIN, f"-DMINGW_ROOT={tools}", f"-DCMAKE_PREFIX_PATH={prefix}",
        "-S", project, "-B", project / "build",
    )  # fmt: skip
    check("cmake", "--build", project / "build")
    shutil.copy(prefix / "bin" / "inpaintrt.dll", project / "build")
    output = check(wine, project / "build" / "newcomer.exe", windows_path(folder / "bundles" / "static"))
    assert "onnxruntime-cpu fp32" in output, output
    say("an installed library is found by a new project with find_package, and runs")


if __name__ == "__main__":
    try:
        main()
    except CannotBuildError as reason:
        say(f"error: {reason}")
        raise SystemExit(2) from None
