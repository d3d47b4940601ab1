"""Nearest upsampling as it stands in a graph."""

import onnx_ir as ir

from ..ir_tools import constant

Factors = tuple[int, int]

PROBED = 16
"""Places of the output whose source is checked; nearest sampling repeats after one period of the factor."""


def nearest_factors(node: ir.Node | None) -> Factors | None:
    """Height and width factor of a Resize that repeats each place of [N,C,H,W] that many times, or None."""
    if node is None or node.op_type != "Resize" or node.domain:
        return None
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    if attributes.get("mode", "nearest") != "nearest" or "axes" in attributes:
        return None
    factors = _scales(node)
    if factors is None or any(factor != int(factor) or factor < 1 for factor in factors) or factors[:2] != [1, 1]:
        return None
    height, width = (int(factor) for factor in factors[2:])
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    repeats = all(_repeats(factor, coordinates, rounding) for factor in (height, width))
    return (height, width) if repeats and (height, width) != (1, 1) else None


def _scales(node: ir.Node) -> list[float] | None:
    """The four scales of a Resize, given or from its sizes."""
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is not None and scales.size == 4:
        return [float(scale) for scale in scales]
    sizes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    before = node.inputs[0].shape if node.inputs[0] is not None else None
    if sizes is None or sizes.size != 4 or before is None or len(before) != 4:
        return None
    if not all(isinstance(size, int) for size in before):
        return None
    return [float(after) / int(size) for after, size in zip(sizes, before, strict=True)]  # type: ignore[call-overload]


def _repeats(factor: int, coordinates: str, rounding: str) -> bool:
    """Whether output place i shows input place `i // factor`, by ONNX's definition of Resize."""
    position = {
        "asymmetric": lambda i: i / factor,
        "half_pixel": lambda i: (i + 0.5) / factor - 0.5,
        "pytorch_half_pixel": lambda i: (i + 0.5) / factor - 0.5,
    }.get(coordinates)
    if position is None:
        return False
    for i in range(PROBED * factor):
        exact = position(i)
        lower = int(exact // 1)
        source = {
            "floor": lower,
            "ceil": lower + (exact > lower),
            "round_prefer_floor": lower + (exact - lower > 0.5),
            "round_prefer_ceil": lower + (exact - lower >= 0.5),
        }.get(rounding)
        if source != i // factor:
            return False
    return True
