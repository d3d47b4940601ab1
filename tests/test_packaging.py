"""A normal install holds every module under its installed name, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("export", "engines", "runtime", "serving", "validation", "training")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what the build reads: a build leaves files beside its sources."""
    copy = tmp_path / "sources"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


def test_the_wheel_holds_every_module(tmp_path: Path, sources: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, sources],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("inpaintrt-*.whl")
    with zipfile.ZipFile(wheel) as content:
        held = {name for name in content.namelist() if ".dist-info/" not in name}
        entry_points = content.read(next(name for name in content.namelist() if name.endswith("entry_points.txt")))
    modules = {f"inpaintrt/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    typed = {f"inpaintrt/{folder}/py.typed" for folder in FOLDERS}
    templates = {f"inpaintrt/validation/reports/report.{kind}.jinja" for kind in ("html", "md")}
    page = {f"inpaintrt/serving/page/{name}" for name in ("editor.css", "editor.html", "editor.js", "painting.js")}
    assert held == modules | typed | templates | page
    for command in (
        b"export-onnx",
        b"build-engines",
        b"validate-engines",
        b"inpaint",
        b"train-inpainter",
        b"inpaint-page",
        b"export-triton",
        b"inpaint-batch",
    ):
        assert command + b" = " in entry_points


def test_an_installed_wheel_runs_apart_from_the_repository(tmp_path: Path, sources: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--target", tmp_path / "site", sources),
        ],
        check=True,
        capture_output=True,
    )
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import inpaintrt.runtime, inpaintrt.export.graph.fp16.headroom as module\n"
        "assert module.__file__.startswith(sys.argv[1]), module.__file__"
    )
    # -S would hide the dependencies; -I keeps the current folder and the environment out.
    subprocess.run([sys.executable, "-I", "-c", program, str(tmp_path / "site")], check=True, cwd=tmp_path)
