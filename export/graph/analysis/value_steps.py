"""Steps: of which number all elements of a value are integer multiples.

A mask of zeros and ones has the step 1, and so has its sum over a window; its average over a window of `w` has `1 / w`.
With a step and a range a value has finitely many values, which `mask_path` then simply tries.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from ..ir_tools import FLOATS, Array, constant
from ..operators import INTEGER_RESULTS, WITHIN_RANGE
from .intervals import reduced_elements, resize_mode

MOST_STEPS = 2**16
"""Steps between the largest and the smallest number of a constant, beyond which it counts as having no step."""

TOLERANCE = 1e-6
"""Relative; FP32 holds a multiple of 1/9 only to 2^-24."""


def step_of(node: ir.Node, steps: Mapping[ir.Value, float]) -> float | None:
    """The step of the first output of `node`, from the steps of its operands; None if there is none.

    Args:
        node: of the mask path.
        steps: of values that have one; constants need not be among them.
    """
    if node.domain:
        return None
    if node.op_type in INTEGER_RESULTS or (node.op_type == "Cast" and node.attributes["to"].as_int() not in FLOATS):
        return 1.0
    rule = _RULES.get(node.op_type)
    return rule(node, [_operand_step(value, steps) for value in node.inputs]) if rule is not None else None


def constant_step(array: Array) -> float | None:
    """The step of a constant; infinite, so that every step divides it, if it is zero everywhere."""
    if array.dtype.kind in "iub":
        return 1.0 if array.any() else math.inf
    if array.dtype.kind != "f" or array.size == 0 or not np.isfinite(array).all():
        return None
    numbers = np.unique(np.abs(array.astype(np.float64)))
    numbers = numbers[numbers > 0]
    if not numbers.size:
        return math.inf
    if bool((numbers == np.round(numbers)).all()):
        return float(np.gcd.reduce(numbers.astype(np.int64)))
    multiples = numbers / numbers[0]
    if multiples[-1] > MOST_STEPS or not np.allclose(multiples, np.round(multiples), rtol=TOLERANCE, atol=0):
        return None
    return float(numbers[0])


def _operand_step(value: ir.Value | None, steps: Mapping[ir.Value, float]) -> float | None:
    if value is None:
        return math.inf
    if value in steps:
        return steps[value]
    array = constant(value)
    return None if array is None else constant_step(array)


def _common(steps: list[float | None]) -> float | None:
    """The step of values that are added or chosen between: what divides all of theirs, if that is easily told."""
    if any(step is None for step in steps):
        return None
    finite = sorted(step for step in steps if step is not None and math.isfinite(step))
    if not finite:
        return math.inf
    if all(step.is_integer() for step in finite):
        return float(math.gcd(*map(int, finite)))
    ratios = [step / finite[0] for step in finite]
    return finite[0] if all(math.isclose(ratio, round(ratio), rel_tol=TOLERANCE) for ratio in ratios) else None


def _first(_: ir.Node, steps: list[float | None]) -> float | None:
    return steps[0]


def _all(_: ir.Node, steps: list[float | None]) -> float | None:
    return _common(steps)


def _chosen(_: ir.Node, steps: list[float | None]) -> float | None:
    return _common(steps[1:])


def _padded(_: ir.Node, steps: list[float | None]) -> float | None:
    return _common([steps[0], steps[2] if len(steps) > 2 else math.inf])


def _product(_: ir.Node, steps: list[float | None]) -> float | None:
    if steps[0] is None or steps[1] is None:
        return None
    return steps[0] * steps[1]


def _quotient(node: ir.Node, steps: list[float | None]) -> float | None:
    divisor = constant(node.inputs[1])
    if steps[0] is None or divisor is None or divisor.size != 1 or not divisor.any():
        return None
    return steps[0] / abs(float(divisor.reshape(-1)[0]))


def _convolved(_: ir.Node, steps: list[float | None]) -> float | None:
    if steps[0] is None or steps[1] is None:
        return None
    bias = steps[2] if len(steps) > 2 else math.inf
    return _common([steps[0] * steps[1], bias])


def _averaged(node: ir.Node, steps: list[float | None]) -> float | None:
    padded = "pads" in node.attributes and any(node.attributes["pads"].as_ints())
    counts_padding = "count_include_pad" in node.attributes and node.attributes["count_include_pad"].as_int()
    if steps[0] is None or (padded and not counts_padding) or "ceil_mode" in node.attributes:
        return None
    window = math.prod(int(size) for size in node.attributes["kernel_shape"].as_ints())
    return steps[0] / window


def _mean(node: ir.Node, steps: list[float | None]) -> float | None:
    count = reduced_elements(node)
    return None if steps[0] is None or count is None else steps[0] / count


def _resized(node: ir.Node, steps: list[float | None]) -> float | None:
    return steps[0] if resize_mode(node) == "nearest" else None


def _filled(node: ir.Node, _: list[float | None]) -> float | None:
    tensor = node.attributes["value"].as_tensor().numpy() if "value" in node.attributes else np.zeros(1)
    return constant_step(tensor)


_RULES: dict[str, Callable[[ir.Node, list[float | None]], float | None]] = {
    **dict.fromkeys(WITHIN_RANGE | {"Abs", "MaxPool", "Neg", "ReduceSum", "Relu"}, _first),
    **dict.fromkeys(("Add", "Clip", "Concat", "Max", "Min", "Sub"), _all),
    "AveragePool": _averaged,
    "ConstantOfShape": _filled,
    "Conv": _convolved,
    "Div": _quotient,
    "GlobalAveragePool": lambda *_: None,
    "Mul": _product,
    "Pad": _padded,
    "ReduceMean": _mean,
    "ReduceProd": lambda _, steps: 1.0 if steps[0] == 1 else None,
    "Resize": _resized,
    "Where": _chosen,
}
