"""What machine this is: CPU, and GPU with driver and clocks as they are read."""

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

GPU_FIELDS = ("name", "driver_version", "compute_cap", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm",
              "clocks.max.mem", "power.limit", "temperature.gpu", "persistence_mode")  # fmt: skip


def describe_hardware() -> dict[str, Any]:
    """Plain values: `cpu`, `threads`, `load`, and `gpu` with nvidia-smi's own words, or why there is none."""
    return {
        "cpu": _cpu_name(), "cpus": os.cpu_count(), "gpu": _gpu(),
        "load": round(os.getloadavg()[0], 2) if os.name == "posix" else None,
    }  # fmt: skip


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> dict[str, str] | str:
    command = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return f"none that nvidia-smi knows: {error}"
    values = [value.strip() for value in done.stdout.splitlines()[0].split(",")]
    return dict(zip(GPU_FIELDS, values, strict=False))
