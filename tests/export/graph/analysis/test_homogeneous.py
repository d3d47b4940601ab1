"""Which operators commute with a positive factor."""

import onnx_ir as ir
import pytest

from inpaintrt.export.graph.analysis.homogeneous import added_operands, reason_against


def node(op: str, count: int) -> ir.Node:
    return ir.node(op, [ir.Value(name=f"x{i}") for i in range(count)])


@pytest.mark.parametrize(
    ("op", "carrying", "reason"),
    [
        ("Relu", [0], None),
        ("Conv", [0], None),
        ("Mul", [1], None),
        ("Div", [0], None),
        ("Add", [0, 1], None),
        ("Where", [1, 2], None),
        ("Sigmoid", [0], "Sigmoid is not homogeneous"),
        ("Mul", [0, 1], "it combines two feature values"),
        ("Div", [1], "it divides by a feature value"),
        ("Conv", [0, 1], "its weight depends on the image"),
        ("Where", [0, 1], "its condition depends on the image"),
    ],
)
def test_reason(op: str, carrying: list[int], reason: str | None) -> None:
    made = node(op, 3 if op == "Where" else 1 if op in ("Relu", "Sigmoid") else 2)
    assert reason_against(made, {made.inputs[index] for index in carrying}) == reason


@pytest.mark.parametrize(
    ("op", "count", "added"), [("Conv", 3, [2]), ("Add", 2, [0, 1]), ("Where", 3, [1, 2]), ("Mul", 2, [])]
)
def test_operands_that_carry_the_factor_as_well(op: str, count: int, added: list[int]) -> None:
    assert list(added_operands(node(op, count))) == added
