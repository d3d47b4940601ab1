"""A kernel plan: what a GPU will run for one call of an engine, kernel by kernel, in the words of its compiler.

`plan_log` and `plan_inspector` read one from what the libraries say. This file is the plan itself: its numbers, and the
document `<engine>.plan.json` that a bundle keeps beside the engine. `docs/kernel-plan.md` tells how to read one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from inpaintrt.runtime.errors import InpaintrtError

SCHEMA_VERSION = 1

BITS = {
    "Float": 32, "Half": 16, "BFloat16": 16, "BF16": 16, "Int64": 64, "Int32": 32, "Int8": 8, "UInt8": 8, "Bool": 8,
    "FP8": 8, "E8M0": 8, "Int4": 4, "FP4": 4,
}  # fmt: skip
"""Bits of one value, by the libraries' names of types."""

NOT_KERNELS = ("signal", "wait")
"""Kinds that only order streams."""


class PlanError(InpaintrtError):
    """What a library says of its kernels is not understood. It never stops a build: the engine has no plan."""


@dataclass(frozen=True)
class Operand:
    """A tensor that a kernel reads or writes.

    Args:
        name: the compiler's.
        shape: its dimensions in elements, in the logical order (for features N, C, H, W).
        type: the compiler's name, a key of `BITS`.
        strides: in elements, in the same order; empty where the library does not say.
        format: the layout in the compiler's words.
        dynamic: the shape as the engine has it, -1 where a dimension depends on the call; None where none does.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    strides: tuple[int, ...] = ()
    format: str = ""
    dynamic: tuple[int, ...] | None = None

    @property
    def elements(self) -> int:
        """How many values it holds; a dimension that is not known yet counts as none."""
        count = 1
        for size in self.shape:
            count *= max(size, 0)
        return count

    @property
    def bytes(self) -> int:
        """Bytes of these values."""
        return -(-self.elements * BITS[self.type] // 8)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        values = {key: list(each) if isinstance(each, tuple) else each for key, each in asdict(self).items()}
        said = {key: each for key, each in values.items() if each not in (None, "", [])}
        return said | {"shape": list(self.shape), "bytes": self.bytes}


@dataclass(frozen=True)
class Kernel:
    """One launch on the GPU.

    Args:
        name: the compiler's.
        kind: the compiler's, such as `kgen` (generated pointwise work), `correlation` (convolution), `runtime_fusion`
            (convolution with what follows it), `deconv`, `gemm`.
        nodes: names of the ONNX nodes in it.
        inputs, outputs, constants: its operands; an operand may be named twice.
        stream: which stream it runs on, from 0.
        multiply_adds: of its nodes, by precision (`fp16`, `fp32`).
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    constants: tuple[Operand, ...]
    stream: int
    multiply_adds: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes through memory: each operand once."""
        return sum(_once(self.inputs, self.outputs, self.constants))

    @property
    def constant_bytes(self) -> int:
        """Those of its constants."""
        return sum(_once(self.constants))

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "nodes": list(self.nodes),
            "inputs": [operand.to_document() for operand in self.inputs],
            "outputs": [operand.to_document() for operand in self.outputs],
            "constants": [operand.to_document() for operand in self.constants],
            "bytes": self.bytes,
            "multiply_adds": dict(self.multiply_adds),
            "stream": self.stream,
        }


def _once(*operands: Iterable[Operand]) -> list[int]:
    """Bytes of each operand, counted once however often it is named."""
    sizes: dict[str, int] = {}
    for group in operands:
        for operand in group:
            sizes[operand.name] = max(sizes.get(operand.name, 0), operand.bytes)
    return list(sizes.values())


@dataclass(frozen=True)
class KernelPlan:
    """All kernels of one call, in order.

    Args:
        backend, backend_version, target: of the engine.
        batch, height, width: what the shapes are for; of an engine for many sizes, the profile's best.
        kernels: the kernels; signals and waits between streams are not among them.
        signals, waits: how many of these there are.
        memory: bytes of device memory by what it is for (`activations`, `weights`, `persistent`), as the library says.
    """

    backend: str
    backend_version: str
    target: str
    batch: int
    height: int
    width: int
    kernels: tuple[Kernel, ...]
    signals: int = 0
    waits: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)

    def totals(self) -> dict[str, Any]:
        """Sums over all kernels, as JSON."""
        multiply_adds: Counter[str] = Counter()
        for kernel in self.kernels:
            multiply_adds.update(kernel.multiply_adds)
        return {
            "kernels": len(self.kernels),
            "bytes": sum(kernel.bytes for kernel in self.kernels),
            "constant_bytes": sum(kernel.constant_bytes for kernel in self.kernels),
            "kinds": dict(Counter(kernel.kind for kernel in self.kernels).most_common()),
            "multiply_adds": dict(multiply_adds),
            "streams": len({kernel.stream for kernel in self.kernels}),
            "signals": self.signals,
            "waits": self.waits,
            "peak_memory": sum(self.memory.values()),
            "memory": dict(self.memory),
        }

    def to_document(self) -> dict[str, Any]:
        """The content of `<engine>.plan.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "backend": self.backend,
            "backend_version": self.backend_version,
            "target": self.target,
            "batch": self.batch,
            "height": self.height,
            "width": self.width,
            "kernels": [kernel.to_document() for kernel in self.kernels],
            "totals": self.totals(),
        }

    @classmethod
    def from_document(cls, values: Any) -> "KernelPlan":
        """The plan that `to_document` wrote.

        Raises:
            PlanError: if it is none, or of another schema version.
        """
        try:
            if values["schema_version"] != SCHEMA_VERSION:
                raise PlanError(f"a plan of schema version {values['schema_version']}, expected {SCHEMA_VERSION}")
            kernels = tuple(_kernel(entry) for entry in values["kernels"])
            totals = values["totals"]
            names = ("backend", "backend_version", "target", "batch", "height", "width")
            return cls(
                **{name: values[name] for name in names}, kernels=kernels,
                signals=totals["signals"], waits=totals["waits"], memory=totals["memory"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlanError(f"no kernel plan: {error!r}; build-engines --plan makes one") from None


def _kernel(values: Mapping[str, Any]) -> Kernel:
    groups = {group: tuple(map(_operand, values[group])) for group in ("inputs", "outputs", "constants")}
    return Kernel(
        values["name"], values["kind"], tuple(values["nodes"]), stream=values["stream"],
        multiply_adds=values["multiply_adds"], **groups,
    )  # fmt: skip


def _operand(values: Mapping[str, Any]) -> Operand:
    dynamic = values.get("dynamic")
    if values["type"] not in BITS:
        raise ValueError(f"type {values['type']!r}")
    return Operand(
        values["name"], tuple(values["shape"]), values["type"], tuple(values.get("strides", ())),
        values.get("format", ""), tuple(dynamic) if dynamic is not None else None,
    )  # fmt: skip
