"""Precision by name, and steps that gradients without a number do not spoil."""

import pytest
import torch
from torch import nn

from inpaintrt.runtime.errors import UsageError
from inpaintrt.training.precision import Precision

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")


@WITHOUT_GPU
def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match=r"precision is '16-mixed', which needs a GPU; expected bf16-mixed or 32-true"):
        Precision("16-mixed")


def test_mixed_precision_computes_in_bfloat16() -> None:
    layer, values = nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)
    for name, kind in (("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)):
        precision = Precision(name)
        layer, values = layer.to(precision.device), values.to(precision.device)
        with precision.autocast():
            assert layer(values).dtype == kind
            with precision.full():
                assert layer(values).dtype == torch.float32


def test_gradients_are_clipped_to_a_norm() -> None:
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight])
    Precision("32-true").descend((weight * torch.tensor([30.0, 40.0])).sum(), optimizer, 1.0, 5.0)
    assert weight.tolist() == pytest.approx([-3, -4], rel=1e-4)
    Precision("32-true").descend((weight * torch.tensor([30.0, 40.0])).sum(), optimizer, 1.0, None)
    assert weight.tolist() == pytest.approx([-33, -44], rel=1e-4)


def test_gradients_that_are_not_finite_change_nothing() -> None:
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight])
    assert not Precision("32-true").descend(weight.sqrt().sum(), optimizer, 1.0, 5.0)
    assert weight.tolist() == [0, 0]
