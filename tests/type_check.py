"""Run mypy over the packages under the names they have when installed.

The top-level folders are `inpaintrt.export` and so on only through `pyproject.toml`, which mypy does not read; a tree
of links gives it that layout.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("export", "engines", "runtime", "validation", "training")


def main() -> int:
    """Exit code of mypy."""
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder) / "inpaintrt"
        parent.mkdir()
        for name in PACKAGES:
            (parent / name).symlink_to(ROOT / name, target_is_directory=True)
        command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--namespace-packages",
                   "--explicit-package-bases", "--cache-dir", str(ROOT / ".mypy_cache"), "inpaintrt"]  # fmt: skip
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
