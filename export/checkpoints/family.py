"""What a checkpoint family is, and the strictness all of them share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from inpaintrt.runtime.errors import CheckpointError

from ..interface import Interface

StateDict = Mapping[str, Tensor]

SHOWN = 4
"""How many keys an error names before it only counts them."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in evaluation mode with its weights, its interface, and where it came from."""

    network: nn.Module
    interface: Interface
    family: str
    arguments: dict[str, Any]


class Family(Protocol):
    """One public layout of checkpoints."""

    @property
    def name(self) -> str:
        """How the family is called in messages and in the bundle."""

    @property
    def deciding_keys(self) -> tuple[str, ...]:
        """State-dict keys whose presence makes a file one of this family."""

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        """The weights inside an unpickled file, or None where this family would not keep them there."""

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        """Build the network from the weights, all of them or none.

        Raises:
            CheckpointError: if keys are missing, left over or wrongly shaped.
        """


def tensors_only(value: Any) -> StateDict | None:
    """`value` if it is a non-empty mapping from names to tensors, with a common `module.` prefix taken off."""
    if not isinstance(value, Mapping) or not value:
        return None
    if not all(isinstance(k, str) and _is_plain(v) for k, v in value.items()):
        return None
    if all(key.startswith("module.") for key in value):  # saved from inside DataParallel
        return {key.removeprefix("module."): tensor for key, tensor in value.items()}
    return value


def weights_under(content: Mapping[str, Any], prefixes: Iterable[str], key: str) -> StateDict | None:
    """The weights below the first prefix under which `key` stands, without it; all of them if it stands under none."""
    weights = tensors_only(content.get("state_dict", content))
    for prefix in prefixes:
        if weights is not None and f"{prefix}{key}" in weights:
            return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    return weights


def _is_plain(value: Any) -> bool:
    """Whether a value is a tensor that holds its numbers itself, one after the other."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not (value.is_meta or value.is_quantized)


def list_keys(keys: Iterable[str]) -> str:
    """`a, b, c and 7 more`."""
    names = sorted(keys)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def check_finite(weights: StateDict) -> None:
    """Refuse NaN and infinite weights, and negative variances.

    Raises:
        CheckpointError: naming the tensors.
    """
    # As float32, which is what they are used in: a float64 may be finite and too large for that.
    bad = [key for key, tensor in weights.items() if not bool(torch.isfinite(tensor.to(torch.float32)).all())]
    bad += [key for key, tensor in weights.items() if key.endswith("running_var") and bool((tensor < 0).any())]
    if bad:
        raise CheckpointError(
            f"weights hold NaN or infinite values, or negative variances, in {list_keys(bad)}: the training diverged, "
            "or the file is damaged"
        )


def check_keys_and_shapes(
    family: str, weights: StateDict, expected: Mapping[str, torch.Size], optional: Iterable[str] = ()
) -> None:
    """Compare names and shapes with what the family's network needs.

    Raises:
        CheckpointError: naming what is missing, left over or wrongly shaped.
    """
    missing = set(expected) - set(weights) - set(optional)
    left_over = set(weights) - set(expected) - set(optional)
    misshapen = {
        f"{key} {tuple(weights[key].shape)} (expected {tuple(expected[key])})"
        for key in set(expected) & set(weights)
        if weights[key].shape != expected[key]
    }
    problems = [
        f"{word} {list_keys(keys)}"
        for word, keys in (("missing", missing), ("left over", left_over), ("wrong shape", misshapen))
        if keys
    ]
    if problems:
        raise CheckpointError(f"looks like a checkpoint of family {family}, but does not fit it: {'; '.join(problems)}")


def check_types(weights: StateDict, ours: StateDict) -> None:
    """Refuse integers, booleans and complex numbers where the network has real weights.

    Raises:
        CheckpointError: naming the tensors.
    """
    wrong = {
        f"{key} ({str(weights[key].dtype).removeprefix('torch.')})"
        for key, tensor in ours.items()
        if key in weights and tensor.is_floating_point() and not weights[key].is_floating_point()
    }
    if wrong:
        raise CheckpointError(f"weights that are no floating-point numbers: {list_keys(wrong)}")
