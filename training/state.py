"""The state of a run: all that is needed to go on, in one file that is there as a whole or not at all.

Configuration, images and network stand in it, so that a run that does not fit is refused, not mixed up.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from inpaintrt.export.interface import Interface
from inpaintrt.runtime.errors import UsageError
from inpaintrt.runtime.files import replace_file

from .config import TrainingConfig
from .images import ImageStore
from .network import Network

FORMAT, VERSION = "inpaintrt.training", 1

FREE = ("photos", "exclude", "vgg16", "start_from", "save_every", "workers")
"""Keys that may change between two parts of a run: the result does not depend on them, or `images` and `network` of
the identity tell it."""

SHOWN = 4
"""Differing keys that an error names."""


@dataclass(frozen=True)
class State:
    """A run after a number of steps.

    Args:
        step: how many steps are done.
        identity: of the run, see `identity`.
        averaged: the averaged weights, which are what the run saves.
        task: weights of network and discriminator.
        optimizers: their states.
        scaler: that of FP16's gradient scale; empty for other precisions.
    """

    step: int
    identity: dict[str, Any]
    averaged: dict[str, Any]
    task: dict[str, Any]
    optimizers: list[dict[str, Any]]
    scaler: dict[str, Any]


def identity(
    config: TrainingConfig, images: ImageStore, network: Network, interface: Interface, features: bool
) -> dict[str, Any]:
    """What makes a run this one, as plain values."""
    values = {key: value for key, value in asdict(config).items() if key not in FREE}
    values |= {
        "network": type(network).__name__,
        "arguments": network.arguments,
        "interface": interface.to_dict(),
        "photos": images.identity(),
        "vgg16": features,
    }
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def check_fits(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a state of another run.

    Raises:
        UsageError: naming the keys that differ, with both values.
    """
    before, now = dict(_leaves("", found)), dict(_leaves("", wanted))
    differing = [
        f"{key} was {before.get(key, 'not there')!s}, is {now.get(key, 'not there')!s}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if differing:
        shown = "; ".join(differing[:SHOWN]) + (f"; and {len(differing) - SHOWN} more" if differing[SHOWN:] else "")
        raise UsageError(
            f"{path}: holds a run that does not fit the configuration: {shown}. Change it back, or remove "
            f"{path.parent} to begin again"
        )


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(f"{place}.{key}" if place else str(key), each)
    elif isinstance(value, list) and place.split("[", maxsplit=1)[0] in ("photos", "stages"):
        yield f"number of {place}", len(value)
        for number, each in enumerate(value):
            yield from _leaves(f"{place}[{number}]", each)
    else:
        yield place, value


def write_state(path: Path, state: State) -> None:
    """Write a state in place of the last.

    Raises:
        UsageError: if it cannot be written, such as for want of space; the last state is intact.
    """
    content = io.BytesIO()  # in memory first: torch's own writer answers a full disk with an error of its own
    torch.save(
        {"format": FORMAT, "version": VERSION} | {each.name: getattr(state, each.name) for each in fields(state)},
        content,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())
    except OSError as error:
        intact = "; the state before is intact, go on from it with --resume" if path.is_file() else ""
        raise UsageError(
            f"{path}: the state of step {state.step} cannot be written: {error.strerror or error}{intact}"
        ) from None


def read_state(path: Path) -> State:
    """Read a state.

    Raises:
        UsageError: if it is damaged, or of another release.
    """
    again = f"remove {path.parent} to begin again"
    try:
        data = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip() is not None  # torch does not look at the checksums
        content = {} if damaged else torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path}: the state cannot be read: {error.strerror}") from None
    except Exception:  # torch.load raises nearly anything on bytes that it did not write
        damaged, content = True, {}
    if damaged:
        raise UsageError(f"{path}: the state is damaged; {again}")
    if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise UsageError(f"{path}: the state is of another release, which has to end the run; or {again}")
    return State(**{each.name: content[each.name] for each in fields(State)})
