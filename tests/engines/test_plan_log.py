"""A kernel plan from the recorded build logs of each supported version, and from logs that were altered."""

import re
from pathlib import Path

import pytest

from inpaintrt.engines.plan import KernelPlan, PlanError
from inpaintrt.engines.plan_log import is_about_kernels, parse_log

DATA = Path(__file__).parent / "data"
LOGS = sorted(DATA.glob("tensorrt-rtx-*.log"))
ITEM = {"Float": 4, "Half": 2, "UInt8": 1, "Bool": 1, "Int64": 8}


def totals(log: str) -> dict[str, object]:
    kernels, between, memory = parse_log(log)
    return KernelPlan("", "", "", 1, 1, 1, tuple(kernels), between["signal"], between["wait"], memory).totals()


def counted(log: str) -> tuple[int, int]:
    """Kernels and bytes, counted by cutting the text at other places than the parser does."""
    kernels = bytes_ = 0
    for line in log.split("\n"):
        kind = line.partition("LayerType: ")[2].partition(",")[0]
        if not kind or kind in ("signal", "wait"):
            continue
        kernels += 1
        sizes: dict[str, int] = {}
        for operand in line.split("{ Name: ")[1:]:
            size = ITEM[operand.partition("Datatype: ")[2].partition(",")[0]]
            for number in operand.partition("Dimensions: [")[2].partition("]")[0].split(","):
                size *= max(int(number or 1), 0)
            name = operand.partition(", Dimensions")[0]
            sizes[name] = max(size, sizes.get(name, 0))
        bytes_ += sum(sizes.values())
    return kernels, bytes_


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_kernels_and_bytes_are_those_of_an_independent_count(path: Path) -> None:
    log = path.read_text()
    found = totals(log)
    assert (found["kernels"], found["bytes"]) == counted(log)
    assert found["kernels"] > 20  # type: ignore[operator]
    assert found["peak_memory"] > 0  # type: ignore[operator]


def test_there_is_a_log_of_the_installed_version() -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    assert any(path.name.startswith(f"tensorrt-rtx-{rtx.__version__}-") for path in LOGS)


def line_of(kind: str, operand: str = "Dimensions: [1,64,8,8], Strides: [4096,1,512,64]") -> str:
    tensor = f"{{ Name: a, {operand}, StrideOrder: [3,0,2,1], Datatype: Half, Format: (NHWC) Channel major format }}"
    return (
        f"Name: k, LayerType: {kind}, Inputs: [ {tensor}, {tensor}], Constants: [], Outputs: [], TacticName: t, "
        "StreamId: 1, Metadata: [ONNX Layer: node_a]\x1f[ONNX Layer: node [b]]"
    )


def test_an_operand_named_twice_counts_once_and_node_names_may_hold_brackets() -> None:
    (kernel,), _, _ = parse_log(line_of("kgen"))
    assert (kernel.bytes, kernel.nodes, kernel.stream) == (2 * 64 * 64, ("node_a", "node [b]"), 1)


def test_signals_and_waits_are_no_kernels() -> None:
    found = totals("\n".join(line_of(kind) for kind in ("signal", "kgen", "wait", "wait", "a_kind_of_the_future")))
    assert (found["kernels"], found["signals"], found["waits"]) == (2, 1, 2)


def test_signals_and_waits_name_an_event_after_their_stream() -> None:
    lines = [line_of(kind).replace("StreamId: 1", "StreamId: 1, EventId: 0") for kind in ("signal", "wait", "kgen")]
    assert lines[0] != line_of("signal")
    found = totals("\n".join(lines))
    assert (found["kernels"], found["signals"], found["waits"], found["streams"]) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda log: "", "lists no kernels"),
        (lambda log: log.replace("LayerType", "Kind"), "lists no kernels"),
        (lambda log: log.replace("Outputs:", "Results:"), "kernel 1 of the build log is not understood"),
        (lambda log: log.replace("StreamId: 1", "StreamId: one"), "kernel 1 of the build log is not understood"),
        (lambda log: log.replace("Datatype: Half", "Datatype: Quarter"), "unknown type Quarter"),
        (lambda log: log.replace("Dimensions: [1,64", "Dimensions: [N,64"), "an operand of kernel 1 is not understood"),
        (lambda log: log[:-90], "kernel 1 of the build log is not understood"),
    ],
)
def test_words_that_are_not_understood_are_named(change: object, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        parse_log(change(line_of("kgen")))  # type: ignore[operator]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_what_is_kept_of_a_log_is_all_that_is_needed(path: Path) -> None:
    log = path.read_text()
    noise = "Registering layer: node\nParsing node: b [Conv]\n"
    messages = [noise, re.sub(r"(?m)^\[.*\n", "", log), *log.splitlines()]
    assert not is_about_kernels(noise)
    assert totals("\n".join(message for message in messages[2:] if is_about_kernels(message))) == totals(log)
