"""`values[condition] = number` as a choice."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.export.graph.graphs import (
    Layer,
    inputs,
    operators,
    run,
    traced,
)


def test_an_assignment_of_one_number_is_a_choice() -> None:
    def assigned(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        updated = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        updated[updated > 0] = 1
        return layer.conv(image) * updated

    model = traced(Layer(assigned))
    assert operators(model)["Where"] == 1
    assert not {"NonZero", "ScatterND"} & set(operators(model))
    total = F.conv2d(torch.from_numpy(inputs()["mask"]), torch.ones(1, 1, 3, 3), padding=1)
    found = run(model, inputs())[0]
    assert (found[(total == 0).expand(-1, 3, -1, -1).numpy()] == 0).all()
    assert (found[(total > 0).expand(-1, 3, -1, -1).numpy()] != 0).any()


def test_an_assignment_of_other_numbers_stays() -> None:
    def assigned(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        features = layer.conv(image)
        features[:, :, 1, :] = image[:, :, 0, :]
        return features

    model = traced(Layer(assigned))
    features = run(traced(Layer(lambda s, x, m: s.conv(x))), inputs())[0]
    found = run(model, inputs())[0]
    np.testing.assert_array_equal(found[:, :, 1], inputs()["image"][:, :, 0])
    np.testing.assert_array_equal(found[:, :, 2:], features[:, :, 2:])
