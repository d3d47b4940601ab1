"""What the package does where POSIX is not, see `tests.as_on_windows`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inpaintrt.runtime import Bundle


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc tells which files are open")
def test_pieces_of_the_package_work_without_posix(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    finished = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-m", "tests.as_on_windows", str(bundle.path), str(folder)],
        check=False, text=True, encoding="cp1252", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout
    assert finished.stdout.split("\n")[-4:-1] == ["commits", "command", "hardware and signals"]
