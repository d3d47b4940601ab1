"""Run mypy over the packages under the names they have when installed.

The top-level folders are `inpaintrt.export` and so on only through `pyproject.toml`, which mypy does not read; a tree
of links gives it that layout.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("export", "engines", "runtime", "serving", "validation", "training")
PROGRAMS = ("benchmarks", "examples")
IMPORTED = ("tests",)
"""Not checked, only imported by what is."""


def main() -> int:
    """Exit code of mypy."""
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder) / "inpaintrt"
        parent.mkdir()
        for name in PACKAGES:
            (parent / name).symlink_to(ROOT / name, target_is_directory=True)
        for name in (*PROGRAMS, *IMPORTED):
            (Path(folder) / name).symlink_to(ROOT / name, target_is_directory=True)
        layout = ["--namespace-packages", "--explicit-package-bases", "--cache-dir", str(ROOT / ".mypy_cache")]
        command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *layout]
        return subprocess.run([*command, "inpaintrt", *PROGRAMS], cwd=folder, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
