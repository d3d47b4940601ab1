"""Where a network comes from: a checkpoint, or a factory in a file or package; and how to find it again."""

import hashlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inpaintrt.runtime.errors import BundleError, NetworkError, UsageError

from .checkpoints import load_checkpoint
from .interface import Interface
from .tracing.devices import OnCpu
from .tracing.source_lines import source_line


@dataclass(frozen=True)
class Source:
    """A network with its interface, and the record of where it came from that goes into the bundle."""

    network: nn.Module
    interface: Interface
    record: dict[str, Any]


def from_checkpoint(path: Path) -> Source:
    """Load a checkpoint of a known family.

    Raises:
        CheckpointError: as `load_checkpoint`.
    """
    loaded = load_checkpoint(path)
    record = {
        "kind": "checkpoint",
        "path": str(path),
        "family": loaded.family,
        "arguments": loaded.arguments,
        "weights_sha256": weights_sha256(loaded.network),
    }
    return Source(loaded.network, loaded.interface, record)


def from_factory(specification: str, arguments: Mapping[str, Any], checkpoint: Path | None = None) -> Source:
    """Call `FILE.py:FACTORY` or `package.module:FACTORY` with keyword arguments.

    Args:
        specification: where the factory is.
        arguments: keyword arguments for it.
        checkpoint: a state dict to load into the network.

    A network may carry its `Interface` in an attribute `interface`.

    Raises:
        NetworkError: if the factory is not found, fails, or returns no module; or if the state dict does not fit.
    """
    module_name, separator, factory_name = specification.rpartition(":")
    if not separator or not module_name or not factory_name:
        raise UsageError(f"--network {specification}: expected FILE.py:FACTORY or package.module:FACTORY")
    module = _import(module_name)
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise NetworkError(f"{module_name} has no callable {factory_name!r}")
    try:
        with OnCpu():
            network = factory(**arguments)
    except (Exception, SystemExit) as error:
        raise NetworkError(f"{specification} failed: {type(error).__name__}: {error}{source_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise NetworkError(f"{specification} returned a {type(network).__name__}, expected a torch.nn.Module")
    if checkpoint is not None:
        _load_state(network, checkpoint)
    interface = getattr(network, "interface", None)
    record = {
        "kind": "factory",
        "network": specification,
        "arguments": dict(arguments),
        "checkpoint": str(checkpoint) if checkpoint is not None else None,
        "weights_sha256": weights_sha256(network),
    }
    network.eval()  # apart, because some networks' own eval() returns nothing
    return Source(network, interface if isinstance(interface, Interface) else Interface(), record)


def _load_state(network: nn.Module, checkpoint: Path) -> None:
    from .checkpoints.loading import read_state_dict  # only for networks of the user's own

    try:
        network.load_state_dict(read_state_dict(checkpoint))
    except RuntimeError as error:
        raise NetworkError(f"{checkpoint} does not fit the network: {error}") from None


def from_module(network: nn.Module, interface: Interface) -> Source:
    """A network that the caller already holds; it cannot be found again from the bundle."""
    record = {"kind": "module", "class": type(network).__qualname__, "weights_sha256": weights_sha256(network)}
    return Source(network, interface, record)


def parse_arguments(text: str | None) -> dict[str, Any]:
    """The value of `--network-args`.

    Raises:
        UsageError: if it is not a JSON object.
    """
    try:
        arguments = json.loads(text, parse_constant=_refuse_constant) if text else {}
    except ValueError as error:
        raise UsageError(f"--network-args is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise UsageError('--network-args must be a JSON object such as {"width": 32}')
    return arguments


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def find_again(
    record: Mapping[str, Any], bundle: Path, checkpoint: Path | None = None, network: str | None = None
) -> Source:
    """The network a bundle was exported from, with the very same weights.

    A bundle may come from anyone, so code that it names is never run: the caller repeats the factory.

    Args:
        record: `source` of the bundle.
        bundle: the bundle's directory; recorded paths are relative to it.
        checkpoint: where the checkpoint is now, if it moved.
        network: the factory, for a bundle that was exported from one.

    Raises:
        BundleError: if the record is malformed.
        NetworkError: if the network cannot be made again, or its weights are not those of the bundle.
        CheckpointError: if the checkpoint is gone or unreadable.
    """
    kind = record.get("kind")
    recorded = record.get("path" if kind == "checkpoint" else "checkpoint")
    arguments = record.get("arguments", {})
    if not isinstance(recorded, str | None) or not isinstance(arguments, dict):
        raise BundleError(f"{bundle}: its source is malformed; export it again")
    state = checkpoint or (Path(os.path.normpath(bundle / recorded)) if recorded else None)
    if kind == "checkpoint" and state is not None:
        source = from_checkpoint(state)
    elif kind == "factory":
        if network is None:
            raise NetworkError(
                f"the bundle was exported with --network {record.get('network')}; code that a bundle names is not run, "
                "so give --network again"
            )
        source = from_factory(network, arguments, state)
    else:
        raise NetworkError(
            "the bundle was exported from a network in memory, so there is nothing on disk to compare with; "
            "call inpaintrt.validation.validate(bundle, network=...)"
        )
    check_same_weights(source.network, record)
    return source


def check_same_weights(network: nn.Module, record: Mapping[str, Any]) -> None:
    """Refuse a network whose weights are not those that were exported.

    Raises:
        NetworkError: saying so.
    """
    if weights_sha256(network) != record.get("weights_sha256"):
        raise NetworkError(
            "the network's weights are not those the bundle was exported from: another checkpoint, or a factory that "
            "draws new random weights at each call (seed it); export again"
        )


def relative_record(record: Mapping[str, Any], bundle: Path) -> dict[str, Any]:
    """`record` with its paths relative to the bundle, so that both can move together."""
    result = dict(record)
    for key in ("path", "checkpoint"):
        if result.get(key):
            result[key] = os.path.relpath(result[key], bundle)
    module, separator, factory = str(result.get("network", "")).rpartition(":")
    if module.endswith(".py"):
        result["network"] = f"{os.path.relpath(module, bundle)}{separator}{factory}"
    return result


def weights_sha256(network: nn.Module) -> str:
    """sha256 over names, types and values of all parameters and buffers that are saved."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _import(name: str) -> Any:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever the user's module raises
            raise NetworkError(f"--network: cannot import {name}: {type(error).__name__}: {error}") from error
    path = Path(name)
    if not path.is_file():
        raise NetworkError(f"--network: {path}: no such file")
    specification = importlib.util.spec_from_file_location(f"_inpaintrt_network_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # so that the file can import its neighbours, as it can when run
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise NetworkError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    return module
