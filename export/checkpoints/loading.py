"""From a file to a network: safe unpickling, then the first family that recognises the keys."""

import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inpaintrt.runtime.errors import CheckpointError

from .family import Family, LoadedNetwork, StateDict, check_finite, list_keys, tensors_only
from .inert import is_torchscript, module_tensors, read_inert
from .registry import load_families

FAMILIES: tuple[Family, ...] = load_families()

LIGHTNING = "pytorch-lightning_version"
"""An entry of every training checkpoint of Lightning."""


def load_checkpoint(path: str | Path) -> LoadedNetwork:
    """Load a checkpoint of any known family.

    Args:
        path: a file written by `torch.save`, or a TorchScript archive, of which only the weights are read.

    Raises:
        CheckpointError: if the file is missing, is no checkpoint, would run code, is of no known family, does not fit
            its family, or holds NaN weights.
    """
    path = Path(path)
    content = _read(path)
    for family in FAMILIES:
        weights = family.state_dict(content)
        if weights is not None and all(key in weights for key in family.deciding_keys):
            try:
                check_finite(weights)
                return family.load(content, weights)
            except CheckpointError as error:
                raise CheckpointError(f"{path}: {error}") from None
    raise CheckpointError(f"{path}: {_describe_unknown(content)}")


def read_state_dict(path: str | Path) -> StateDict:
    """The tensors of a checkpoint for a network of the user's own; under `state_dict` or `model`, or at the top.

    Raises:
        CheckpointError: as `load_checkpoint`, short of knowing the family.
    """
    path = Path(path)
    content = _read(path)
    for candidate in (content.get("state_dict"), content.get("model"), content):
        weights = tensors_only(candidate)
        if weights is None:
            continue
        try:
            check_finite(weights)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
        return weights
    raise CheckpointError(f"{path}: holds no state dict, but entries {list_keys(map(str, content))}")


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        kind = "is a directory" if path.is_dir() else "no such file"
        raise CheckpointError(f"{path}: {kind}; expected a checkpoint written by torch.save")
    try:
        # Read first: torch.load reports an unreadable and a malformed file with the same exception.
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    content = _unpickle(path, data)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}; expected a state dict")
    return content


def _unpickle(path: Path, data: bytes) -> Any:
    """What a file holds, unpickled without running code of its own."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.testzip() is not None:  # torch does not look at the checksums
                raise CheckpointError(f"{path}: is damaged: a checksum inside does not fit")
            if is_torchscript(archive):
                return module_tensors(_read_inert(path, archive))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is in the error
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        names_objects = re.search(r"unsupported (global|class)|is blocked", str(error), re.IGNORECASE)
        # A pickle that torch did not write begins with its protocol; torch gives up on it at the first operand.
        bare_pickle = data[:1] == b"\x80" and data.rstrip()[-1:] == b"." and "Unsupported operand" in str(error)
        if not names_objects and not bare_pickle:
            raise CheckpointError(f"{path}: is not a checkpoint, or is damaged") from None
        if (training := _lightning(path, data)) is not None:
            return training
        raise CheckpointError(
            f"{path}: holds Python objects besides tensors, and unpickling those can run any code; it was not "
            "loaded. Save only the weights, torch.save(network.state_dict(), FILE), where you trust the file"
        ) from None
    except Exception:  # torch.load raises nearly anything on bytes that are no checkpoint
        raise CheckpointError(f"{path}: is not a checkpoint, or is damaged") from None


def _read_inert(path: Path, archive: zipfile.ZipFile) -> Any:
    try:
        return read_inert(archive)
    except Exception:  # an unpickler raises nearly anything on bytes that are no pickle
        raise CheckpointError(f"{path}: is not a checkpoint, or is damaged") from None


def _lightning(path: Path, data: bytes) -> Mapping[str, Any] | None:
    """A training checkpoint of Lightning, which names the classes of its callbacks; they stay names."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        content = _read_inert(path, archive)
    is_training = isinstance(content, Mapping) and LIGHTNING in content
    return content if is_training and tensors_only(content.get("state_dict")) is not None else None


def _describe_unknown(content: Mapping[str, Any]) -> str:
    candidates = []
    for family in FAMILIES:
        weights = family.state_dict(content)
        keys = set(weights) if weights is not None else set()
        found = [key for key in family.deciding_keys if key in keys]
        missing = [key for key in family.deciding_keys if key not in keys]
        if missing:
            candidates.append((len(found) / len(family.deciding_keys), family, found, missing))
    _, nearest, found, missing = max(candidates, key=lambda candidate: candidate[0])
    weights = tensors_only(content)
    held = f"tensors {list_keys(weights)}" if weights else f"entries {list_keys(map(str, content))}"
    known = ", ".join(family.name for family in FAMILIES)
    nearness = (
        f"nearest is {nearest.name}, by {list_keys(found)}, but it lacks {list_keys(missing)}"
        if found
        else f"none of their keys are there (such as {missing[0]})"
    )
    return (
        f"no known checkpoint family (known: {known}); {nearness}. It holds {held}. "
        "Export a network of your own with --network FILE.py:FACTORY"
    )
