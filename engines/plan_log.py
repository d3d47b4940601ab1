"""A kernel plan from the verbose build log of TensorRT-RTX, which needs no GPU.

Built with detailed profiling verbosity, the library prints one line for each kernel once fusion is done:

    Name: .., LayerType: kgen, Inputs: [ { Name: .., Dimensions: [..], Strides: [..], StrideOrder: [..], Datatype: Half,
    Format: .. }, ..], Constants: [..], Outputs: [..], TacticName: .., StreamId: 0, Metadata: [ONNX Layer: ..]..

and how much memory it wants. A line that does not look like this makes the whole log one that is not understood: half a
plan would be a wrong one.
"""

import re
from collections import Counter
from collections.abc import Iterator

from .plan import BITS, NOT_KERNELS, Kernel, Operand, PlanError

OPERAND = re.compile(
    r" \{ Name: (?P<name>[^{}]*?), Dimensions: \[(?P<shape>[-\d,]*)\], Strides: \[(?P<strides>[-\d,]*)\], "
    r"StrideOrder: \[[-\d,]*\], Datatype: (?P<type>\w+), Format: (?P<format>[^{}]*?) \}(?:,|$)"
)
OPERANDS = r"(?: \{[^{}]*\},?)*"
KERNEL = re.compile(
    rf"Name: (?P<name>.*?), LayerType: (?P<kind>\w+), Inputs: \[(?P<inputs>{OPERANDS})\], "
    rf"Constants: \[(?P<constants>{OPERANDS})\], Outputs: \[(?P<outputs>{OPERANDS})\], "
    r"(?:.*, )?TacticName: .*, StreamId: (?P<stream>-?\d+)(?:, .*?)?, Metadata:(?P<nodes>.*)"
)
NODES = re.compile(r"\[ONNX Layer: (.*?)\](?=\x1f?\[ONNX Layer: |\s*$)")
MEMORY = {
    "activations": "Total Activation Memory",
    "weights": "Total Weights Memory",
    "persistent": "Total Device Persistent Memory",
}
"""What the library calls the parts of an engine's memory."""


def is_about_kernels(message: str) -> bool:
    """Whether a message of the log is worth keeping for `parse_log`."""
    return "LayerType:" in message or message.startswith(tuple(MEMORY.values()))


def parse_log(log: str) -> tuple[list[Kernel], Counter[str], dict[str, int]]:
    """The kernels of a build log in order, how many signals and waits are between them, and bytes of device memory.

    Args:
        log: the messages `is_about_kernels` chose, or the whole log, one after the other.

    Raises:
        PlanError: naming the line that is not understood, or that there is none.
    """
    kernels, between = [], Counter[str]()
    lines = [line for line in log.splitlines() if "LayerType:" in line]
    for number, line in enumerate(lines, 1):
        found = KERNEL.fullmatch(line.strip())
        if found is None:
            raise PlanError(f"kernel {number} of the build log is not understood: {line.strip()[:80]}")
        if found["kind"] in NOT_KERNELS:
            between[found["kind"]] += 1
            continue
        inputs, outputs, constants = (
            tuple(_operands(number, found[group])) for group in ("inputs", "outputs", "constants")
        )
        nodes = tuple(NODES.findall(found["nodes"]))
        kernels.append(Kernel(found["name"], found["kind"], nodes, inputs, outputs, constants, int(found["stream"])))
    if not kernels:
        raise PlanError("the build log lists no kernels")
    return kernels, between, _memory(log)


def _operands(number: int, text: str) -> Iterator[Operand]:
    position = 0
    while text[position:].strip():
        found = OPERAND.match(text, position)
        if found is None:
            raise PlanError(f"an operand of kernel {number} is not understood: {text[position:][:80].strip()}")
        if found["type"] not in BITS:
            raise PlanError(f"an operand of kernel {number} has the unknown type {found['type']}")
        shape, strides = _numbers(found["shape"]), _numbers(found["strides"])
        dynamic = shape if -1 in shape else None
        yield Operand(found["name"], shape, found["type"], strides, found["format"], dynamic)
        position = found.end()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",")) if text else ()


def _memory(log: str) -> dict[str, int]:
    memory = {}
    for part, title in MEMORY.items():
        found = re.findall(rf"{title}: (\d+) bytes", log)
        if found:
            memory[part] = int(found[-1])
    return memory
