"""The classes of operators."""

import onnx
import pytest

from inpaintrt.export.graph import operators

CLASSES = {name: value for name, value in vars(operators).items() if isinstance(value, frozenset)}


@pytest.mark.parametrize("name", CLASSES)
def test_every_operator_is_one_of_onnx(name: str) -> None:
    # A misspelt name would be an operator that no pass ever meets. RMSNormalization came with a later version.
    unknown = {op for op in CLASSES[name] if not onnx.defs.has(op)} - {"RMSNormalization"}
    assert not unknown


def test_no_two_classes_are_the_same() -> None:
    assert len(set(CLASSES.values())) == len(CLASSES)
