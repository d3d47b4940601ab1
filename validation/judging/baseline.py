"""Is a candidate worse than it was: a validation against a stored `parity.json`.

Errors may grow by a margin before they count: other machines and versions add in another order. Candidates are matched
by what they are, without the version of the library that built an engine.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaintrt.runtime.errors import UsageError

from .findings import SCHEMA_VERSION, CandidateReport, ValidationReport

LEVEL = 1
"""Levels of 255 that a largest difference may grow whatever the margin: it is one value among millions."""

SHARE = 1e-4
"""How much a share of values may grow whatever the margin."""

MEASURED: dict[str, Callable[[float, float], float]] = {
    "relative L2 of output": lambda before, margin: before * (1 + margin),
    "distance from FP64, times that of PyTorch FP32": lambda before, margin: before * (1 + margin),
    "error of output, times that of rounded weights alone": lambda before, margin: before * (1 + margin),
    "largest composite difference in holes, 1/255": lambda before, margin: before * (1 + margin) + LEVEL,
    "share of hole values within 1/255": lambda before, margin: 1 - (1 - before) * (1 + margin) - SHARE,
    "PSNR in holes, dB": lambda before, margin: before - 20 * math.log10(1 + margin),
    "PSNR below that of rounded weights alone, dB": lambda before, margin: before + 20 * math.log10(1 + margin),
}
"""For each check that measures an error, the worst value that is still no change for the worse."""

FALLING = ("share of hole values within 1/255", "PSNR in holes, dB")
"""Of these, less is worse."""


@dataclass(frozen=True)
class Baseline:
    """A stored `parity.json`, and where it lies."""

    path: Path
    stored: dict[str, Any]


def read_baseline(path: Path, seed: int, words: str) -> Baseline:
    """Read a stored `parity.json`.

    Args:
        path: of the file.
        seed, words: of the cases that it must have been measured on.

    Raises:
        UsageError: if the file is no such report, or was measured on other cases.
    """
    stored = _read(path)
    then = (stored["seed"], stored["images"])
    if then != (seed, words):
        raise UsageError(
            f"--baseline {path}: was measured on {then[1]} with seed {then[0]}, this run is on {words} with seed "
            f"{seed}; compare like with like"
        )
    return Baseline(path, stored)


def compare_with_baseline(report: ValidationReport, baseline: Baseline, margin: float) -> dict[str, Any]:
    """What got worse by more than the margin; plain values for the report.

    Args:
        report: of now.
        baseline: of then, on the same cases.
        margin: 0.5 lets errors grow by half.

    Raises:
        UsageError: if no candidate can be compared.
    """
    path, stored = baseline.path, baseline.stored
    before = {_key(entry["name"]): entry for entry in stored["candidates"] if entry.get("judged", True)}
    worse: list[str] = []
    not_compared: list[str] = []
    compared = 0
    for candidate in (each for each in report.candidates if each.judged):
        entry = before.pop(_key(candidate.name), None)
        if entry is None:
            not_compared.append(f"{candidate.name}: not in the baseline")
        elif candidate.result == "not run" or entry["result"] == "not run":
            when = "now" if candidate.result == "not run" else "then"
            not_compared.append(f"{candidate.name}: did not run {when}")
        else:
            compared += 1
            worse += _worse(candidate, entry, margin)
    not_compared += [f"{entry['name']}: in the baseline, but no longer in the bundle" for entry in before.values()]
    if not compared:
        raise UsageError(f"--baseline {path}: no candidate ran both then and now; there is nothing to compare")
    return {"path": str(path), "created": stored.get("created", ""), "margin": margin, "compared": compared,
            "worse": worse, "not_compared": not_compared}  # fmt: skip


def _worse(candidate: CandidateReport, entry: dict[str, Any], margin: float) -> list[str]:
    if candidate.result == "fail" and entry["result"] == "pass":
        return [f"{candidate.name}: passed then, fails now"]
    values = {check["name"]: check["value"] for check in entry["checks"]}
    found = []
    for check in candidate.checks:
        then, worst = values.get(check.name), MEASURED.get(check.name)
        if then is None or worst is None or check.value is None:
            continue
        before = float(then)  # infinity is stored as a string
        limit = worst(before, margin)
        now = float(check.value)
        if not (now >= limit if check.name in FALLING else now <= limit):
            found.append(f"{candidate.name}: {check.name} was {before:.4g}, is {now:.4g} (allowed {limit:.4g})")
    return found


def _key(name: str) -> str:
    """A candidate's name without versions: `tensorrt 10.12.0 fp16 for sm89` stays itself in the next version."""
    return re.sub(r" \d+(\.\d+)+\S*", "", name)


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_bytes())
        for entry in stored["candidates"]:
            _ = entry["name"], entry["result"], [(check["name"], check["value"]) for check in entry["checks"]]
        _ = stored["seed"], stored["images"]
        if stored["schema_version"] != SCHEMA_VERSION:  # other versions tried other cases
            raise ValueError(f"schema_version is {stored['schema_version']}, expected {SCHEMA_VERSION}")
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--baseline {path}: is no parity.json of this release ({error!r}); store a new one") from None
    assert isinstance(stored, dict)
    return stored
