"""`validate-engines` as a user meets it: exit codes."""

from inpaintrt.runtime import Bundle
from tests.commands import refused, run


def test_a_bad_verdict_is_exit_code_1(bundle: Bundle) -> None:
    from benchmarks.mutations.graph_edits import rewrite, scale_a_weight

    rewrite(bundle, "fp16", scale_a_weight(1.05))
    done = run("validate-engines", bundle.path, code=1)
    assert "FAIL     onnx fp16, every value rounded: " in done.stderr
    assert "verdict: FAIL" in done.stderr


def test_a_byte_changed(bundle: Bundle) -> None:
    path = bundle.path / "model.fp32.onnx"
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    assert "was altered or is damaged" in refused("validate-engines", bundle.path)
