"""`--io image`: everything between an application's pixels and the network is inside the graph."""

import numpy as np
import onnx_ir as ir
import pytest
import torch

from inpaintrt.export import Interface
from inpaintrt.export.graph.passes.image_io import add_image_io
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from tests.export.graph.graphs import (
    SIZE,
    Layer,
    run,
    traced,
)


def images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    return {"image": image, "mask": rng.choice(np.array([0, 1, 7, 255], np.uint8), (1, SIZE, SIZE))}


INTERFACES = {
    "0..1": Interface(),
    "mean, std and a range of its own": Interface(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), output_range=(-1.0, 1.0)),
    "1 for holes, filled with gray": Interface(image_range=(-1.0, 1.0), mask_polarity="hole", fill=0.5),
    "not premasked": Interface(premask=False),
}


@pytest.mark.parametrize("name", INTERFACES)
def test_the_graph_does_what_the_deployed_network_does(name: str) -> None:
    network = Layer(lambda s, x, m: torch.tanh(s.conv(x)) * 0.7 + m * 0.1)
    model = add_image_io(traced(network), INTERFACES[name])
    feed = images()
    with torch.no_grad():
        deployed = ImageNetwork(TensorNetwork(network, INTERFACES[name]))
        expected = deployed(*(torch.from_numpy(feed[key]) for key in ("image", "mask"))).numpy()
    (found,) = run(model, feed)
    assert np.abs(found.astype(int) - expected).max() <= 1
    known = feed["mask"] == 0
    assert (found[known] == feed["image"][known]).all()
    assert (found[~known] != feed["image"][~known]).any()


def test_a_cast_is_the_first_and_the_last_operation_on_uint8() -> None:
    # TensorRT takes uint8 only so.
    model = add_image_io(traced(Layer(lambda s, x, m: s.conv(x * m))), Interface())
    assert [(value.name, value.dtype) for value in model.graph.inputs] == [
        ("image", ir.DataType.UINT8), ("mask", ir.DataType.UINT8),
    ]  # fmt: skip
    assert [value.name for value in model.graph.outputs] == ["composite"]
    for value in model.graph.inputs:
        assert {use.node.op_type for use in value.uses()} == {"Cast"}
    assert model.graph.outputs[0].producer().op_type == "Cast"
    assert "output" in {value.name for node in model.graph for value in node.outputs}  # for validation to look at


def test_known_pixels_of_an_fp16_graph_stay_bit_identical_in_fp16() -> None:
    network = traced(Layer(lambda s, x, m: s.conv(x * m)))
    feed = images()
    feed["image"].flat[:256] = np.arange(256)
    single, half = (add_image_io(network, Interface(), None, kind) for kind in (ir.DataType.FLOAT, ir.DataType.FLOAT16))
    (where,) = (node for node in half.graph if node.op_type == "Where")
    assert {value.producer().attributes["to"].as_int() for value in where.inputs[1:]} == {ir.DataType.FLOAT16}
    assert np.array_equal(run(half, feed)[0], run(single, feed)[0])


def test_a_fixed_mask_is_a_constant_and_no_input() -> None:
    hole = np.zeros((1, 1, SIZE, SIZE), dtype=np.float32)
    hole[..., 4:9, 6:20] = 1
    model = add_image_io(traced(Layer(lambda s, x, m: s.conv(x * m))), Interface(), hole)
    assert [value.name for value in model.graph.inputs if value.uses()] == ["image"]
    feed = images()
    (found,) = run(model, feed)
    inside = hole[:, 0] != 0
    assert (found[~inside] == feed["image"][~inside]).all()
    assert (found[inside] != feed["image"][inside]).any()
