"""DeepFillv2 exported: exact in FP32, safe in FP16, and built into engines. Small widths, to be quick."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from benchmarks.networks.deepfill import random_images, trained_scale
from inpaintrt.engines import build_engines
from inpaintrt.engines.targets import AHEAD_OF_TIME
from inpaintrt.export import export_onnx
from inpaintrt.export.networks import DeepFillV2
from inpaintrt.runtime import Bundle
from inpaintrt.validation import validate
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.engines.test_build import rtx
from tests.export.networks.comparing import FP32, relative_error


def small(**attention: Any) -> DeepFillV2:
    network = DeepFillV2(8, attention=attention)
    trained_scale(network)
    return network


@pytest.fixture(scope="module")
def network() -> DeepFillV2:
    return small()


@pytest.fixture(scope="module")
def bundle(network: DeepFillV2, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Static 64x64, `--io image`, both precisions."""
    return export_onnx(
        network, tmp_path_factory.mktemp("deepfill") / "static", interface=network.interface(), size=(64, 64)
    )


@pytest.mark.slow
def test_batch_with_different_masks_equals_pytorch(network: DeepFillV2, tmp_path: Path) -> None:
    bundle = export_onnx(
        network, tmp_path, interface=network.interface(), size=(64, 96), io="tensor", batch=3, precisions=("fp32",)
    )
    assert relative_error(bundle, network, (64, 96), 3) < FP32


@pytest.mark.slow
@rtx
def test_dynamic_sizes_equal_pytorch_and_build(tmp_path: Path) -> None:
    network = small(parts=2)  # half of what takes PyTorch long to trace
    bundle = export_onnx(
        network, tmp_path, interface=network.interface(), dynamic=(40, 64, 128), io="tensor", batch=(1, 1, 3)
    )
    for size, count in (((64, 64), 1), ((40, 128), 3), ((104, 72), 2)):
        assert relative_error(bundle, network, size, count) < FP32
    assert build_engines(bundle.path, target="sm89")[0].artifact.precision == "fp16"


@pytest.mark.slow
@rtx
def test_engines_for_all_targets_are_built(bundle: Bundle) -> None:
    assert [engine.artifact.target for engine in build_engines(bundle.path, target="all")] == list(AHEAD_OF_TIME)


@pytest.mark.slow
def test_the_corpus_passes_with_random_weights_of_trained_scale(bundle: Bundle, network: DeepFillV2) -> None:
    report = validate(bundle.path, network=network)
    strict = next(candidate for candidate in report.candidates if "every value rounded" in candidate.name)
    assert strict.result == "pass", strict.reason
    assert report.passed
    assert bundle.onnx("fp16").details["fp16_share_of_multiply_adds"] > 0.8


def test_no_operator_that_engines_lack_or_that_computes_weights(bundle: Bundle) -> None:
    model = ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx("fp16"))))
    assert not {node.op_type for node in model.graph} & {"Col2Im", "If", "Loop", "NonZero", "ScatterND"}
    for node in model.graph:
        if node.op_type in ("Conv", "ConvTranspose"):
            assert node.inputs[1] is not None
            assert node.inputs[1].const_value is not None


@pytest.mark.slow
def test_scores_beyond_the_fp16_range_are_no_harm(tmp_path: Path) -> None:
    """Features 600 times as large make scores that reach far above 65504 before the softmax."""
    network = small()
    with torch.no_grad():
        network.attend[-1].conv.weight *= 600
        network.attend[-1].conv.bias *= 600
        network.attended[0].conv.weight /= 600
    bundle = export_onnx(network, tmp_path, interface=network.interface(), size=(64, 64), io="tensor")
    model = ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx("fp16"))))
    softmax = next(node for node in model.graph if node.op_type == "Softmax")
    scores = softmax.inputs[0]
    assert scores is not None
    assert scores.dtype == ir.DataType.FLOAT
    model.graph.outputs.append(scores)
    image, mask = random_images(64, 64, 1)
    result = StrictFp16(model).run({"image": image.numpy(), "mask": mask.numpy()})
    assert np.abs(result.outputs[str(scores.name)]).max() > 65504
    assert result.first_non_finite is None
    assert np.isfinite(result.outputs["output"]).all()
