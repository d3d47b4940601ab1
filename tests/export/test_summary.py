"""What `export-onnx` says: costs, layers, and why something stayed FP32."""

import json
import re
from pathlib import Path

import pytest

from inpaintrt.export.graph.fp16.convert import Fp16Report
from inpaintrt.export.report import ExportReport
from inpaintrt.export.summary import summarise
from inpaintrt.runtime import Bundle, console
from inpaintrt.runtime.bundle import DeployedInterface, Profile
from tests.commands import FOREIGN, refused, run as run_command

INTERFACE = DeployedInterface("image", 8, Profile((1,) * 3, (32,) * 3, (32,) * 3), ("image", "mask"), ("composite",))


NETWORK = ("--network", f"{FOREIGN}:dividing_trained_scale", "--mask-channels", 3, "--size-multiple", 8, "--size", 32)


def test_the_command_tells_layers_and_why_one_stayed_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PLAIN_WIDTH", 1000)  # a row is then one line
    done = run_command("export-onnx", *NETWORK, "-o", tmp_path / "wide", "--explain", "--keep-fp32", "conv2d_3*")
    words = " ".join(done.stderr.split())
    assert "6 partial, 0 masked but not renormalised, 0 ordinary convolutions" in words
    assert "dec_1.conv.input_conv" in words
    assert "multiply-adds of masks" in words
    assert "why fp32" in words
    assert "fp32 --keep-fp32 conv2d_3*" in words
    assert re.search(r"kept in FP32: Conv conv2d_3\S*( and \d+ more nodes)?: --keep-fp32 conv2d_3\*", words)
    document = tmp_path / "wide" / "bundle.json"
    pointer = f"all nodes kept in FP32, with reasons: {document}, kept_fp32 in the details of model.fp16.onnx"
    assert pointer in words
    (model,) = [a for a in json.loads(document.read_text())["artifacts"] if a["path"] == "model.fp16.onnx"]
    assert "--keep-fp32 conv2d_3*" in model["details"]["kept_fp32"].values()


def test_explaining_nothing_is_refused(tmp_path: Path) -> None:
    assert "leave out --no-optimize" in refused(
        "export-onnx", *NETWORK, "-o", tmp_path, "--explain", "--no-optimize", "--precision", "fp32"
    )


def test_all_reasons_are_listed_only_if_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle(Path("places"), {}, {}, INTERFACE, ())
    report = ExportReport(fp16=Fp16Report(), fp16_share=1.0, mask_path_values=9)
    summarise(bundle, report)
    assert "FP16 does 100.00 % of the multiply-adds" in (shown := capsys.readouterr().err)
    assert "kept" not in shown
    report.fp16 = Fp16Report(kept=[("Relu a", "why"), ("Relu b", "why"), ("Add c", "other")])
    summarise(bundle, report)
    shown = capsys.readouterr().err
    assert "kept in FP32: Relu a and 1 more nodes: why" in shown
    assert "kept in FP32: Add c: other" in shown
    assert "bundle.json, kept_fp32 in the details of model.fp16.onnx" in shown
