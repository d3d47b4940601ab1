"""The real `cuda-core` on a driver that does not exist: what `test_gpu.py` does on a GPU, and faults in every call.

In processes of their own: a process has one driver, and others must not take this machine for one with a GPU.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "driver"
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds the stand-in driver."""
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("needs Linux and g++")
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        pytest.skip("needs cuda-core, pip install -e '.[rtx]'")
    folder = tmp_path_factory.mktemp("driver")
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-Wl,-Bsymbolic"]
    names = ["-Wl,-soname,libcuda.so.1", "-o", str(folder / "libcuda.so.1")]
    subprocess.run([*command, *map(str, sorted(SOURCES.glob("*.cpp"))), *names, "-ldl"], check=True)
    return os.environ | {"LD_LIBRARY_PATH": str(folder), "OMP_NUM_THREADS": "1"}


def run(driver: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-X", "faulthandler", "-m", *arguments]
    done = subprocess.run(command, env=driver, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_what_test_gpu_does_on_the_real_driver(driver: dict[str, str]) -> None:
    chosen = [
        "tests/test_gpu.py",
        "-k",
        "real_driver and not other_libraries",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    passed = re.search(r"(\d+) passed", run(driver, "pytest", "-q", *chosen))
    assert passed is not None
    assert int(passed[1]) >= 4


def test_every_call_of_the_driver_fails_once(driver: dict[str, str]) -> None:
    step = 29  # with 1, every single one of them: ten times as long
    met = json.loads(run(driver, "tests.runtime.backends.driver.faults", str(step)).splitlines()[-1])
    assert len(met) >= 6, met  # kinds of calls
