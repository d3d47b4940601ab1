"""Checkpoint families: exact against an independent network of the same layout, and strict."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.export.checkpoints import load_checkpoint, save_checkpoint
from inpaintrt.export.networks import DeepFillV2, PConvUNet
from inpaintrt.runtime.errors import CheckpointError
from tests.conftest import make_network


def save(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture
def theirs() -> dict[str, torch.Tensor]:
    return dict(dividing_trained_scale().state_dict())


@pytest.mark.parametrize("widths", [(8, 12, 16), (6, 8, 8, 10, 10)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_naoto0804_gives_what_its_own_network_gives(tmp_path: Path, widths: tuple[int, ...], wrapped: bool) -> None:
    network = dividing_trained_scale(widths)
    weights = network.state_dict()
    loaded = load_checkpoint(save({"model": weights, "n_iter": 7} if wrapped else weights, tmp_path / "x.pth"))
    assert loaded.family == "naoto0804"
    assert loaded.arguments["widths"] == list(widths)
    assert loaded.interface.mean == (0.485, 0.456, 0.406)
    image = torch.randn(2, 3, 64, 64)
    plane = (torch.rand(2, 1, 64, 64) > 0.4).float()
    plane[:, :, 10:40, 10:40] = 0
    with torch.no_grad():
        expected, expected_mask = network(image, plane.expand(-1, 3, -1, -1))
        output, updated = loaded.network(image, plane)
    error = torch.linalg.vector_norm(output - expected) / torch.linalg.vector_norm(expected)
    assert error < 1e-5  # FP32, other order of operations
    assert torch.equal(updated, expected_mask[:, :1])


def test_own_checkpoint_comes_back(tmp_path: Path) -> None:
    network = make_network()
    save_checkpoint(tmp_path / "a.ckpt", network, network.interface(image_range=(-1.0, 1.0)))
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.interface == network.interface(image_range=(-1.0, 1.0))
    image, mask = torch.rand(1, 3, 32, 32), (torch.rand(1, 1, 32, 32) > 0.5).float()
    with torch.no_grad():
        assert torch.equal(loaded.network(image, mask)[0], network(image, mask)[0])


def test_half_precision_checkpoint_is_read_as_float32(tmp_path: Path) -> None:
    network = make_network()
    save_checkpoint(tmp_path / "a.ckpt", network, network.interface(), dtype=torch.float16)
    loaded = load_checkpoint(tmp_path / "a.ckpt").network
    weight = loaded.state_dict()["encoder.0.conv.conv.weight"]
    assert weight.dtype == torch.float32
    assert torch.equal(weight, network.encoder[0].conv.conv.weight.half().float())


@pytest.mark.parametrize(
    "network",
    [PConvUNet(widths=(4, 6), strides=(1, 2)), DeepFillV2(width=8, attention={"fuse": False})],
    ids=["PConvUNet", "DeepFillV2"],
)
def test_own_checkpoints_hold_networks_of_both_families(tmp_path: Path, network: PConvUNet | DeepFillV2) -> None:
    save_checkpoint(tmp_path / "a.ckpt", network.eval(), network.interface())
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.arguments == network.arguments
    assert loaded.interface == network.interface()
    image, mask = torch.rand(1, 3, 32, 32), (torch.rand(1, 1, 32, 32) > 0.5).float()
    with torch.no_grad():
        assert torch.equal(loaded.network(image, mask)[0], network(image, mask)[0])


def test_data_parallel_prefix_is_taken_off(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    prefixed = {f"module.{key}": tensor for key, tensor in theirs.items()}
    assert load_checkpoint(save(prefixed, tmp_path / "x.pth")).family == "naoto0804"


class RunsCode:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("this-must-not-exist",)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = save({"model": RunsCode()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="can run any code; it was not loaded"):
        load_checkpoint(path)
    assert not (tmp_path / "this-must-not-exist").exists()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="is a directory"):
        load_checkpoint(tmp_path)
    for content in (b"", b"hello", b"\x89PNG\r\n" + bytes(100), b"PK\x03\x04" + bytes(100), b"\x80\x02}q\x00."):
        path = tmp_path / "bad.pth"
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    with pytest.raises(CheckpointError, match="holds a list"):
        load_checkpoint(save([1, 2], tmp_path / "list.pth"))


def test_a_truncated_checkpoint_is_refused(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    path = save(theirs, tmp_path / "x.pth")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(path)


def test_missing_extra_and_misshapen_keys_are_named(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    missing = {key: tensor for key, tensor in theirs.items() if key != "enc_2.bn.running_var"}
    with pytest.raises(CheckpointError, match=r"missing enc_2\.bn\.running_var"):
        load_checkpoint(save(missing, tmp_path / "x.pth"))
    with pytest.raises(CheckpointError, match=r"left over surplus\.weight"):
        load_checkpoint(save({**theirs, "surplus.weight": torch.zeros(1)}, tmp_path / "x.pth"))
    wrong = {**theirs, "dec_2.conv.input_conv.weight": torch.zeros(8, 20, 5, 5)}
    with pytest.raises(
        CheckpointError, match=r"wrong shape dec_2\.conv\.input_conv\.weight \(8, 20, 5, 5\) \(expected \(8, 20, 3, 3\)"
    ):
        load_checkpoint(save(wrong, tmp_path / "x.pth"))


def test_counters_that_old_checkpoints_lack_are_optional(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    old = {key: tensor for key, tensor in theirs.items() if not key.endswith("num_batches_tracked")}
    assert load_checkpoint(save(old, tmp_path / "x.pth")).family == "naoto0804"


def test_nan_weights_are_refused(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    theirs["enc_1.conv.input_conv.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(
        CheckpointError, match=r"NaN or infinite values, or negative variances, in enc_1\.conv\.input_conv\.weight"
    ):
        load_checkpoint(save(theirs, tmp_path / "x.pth"))


def test_weights_that_float32_cannot_hold_and_negative_variances_are_refused(
    tmp_path: Path, theirs: dict[str, torch.Tensor]
) -> None:
    key = "enc_1.conv.input_conv.weight"
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        load_checkpoint(save({**theirs, key: theirs[key].double() * 1e300}, tmp_path / "x.pth"))
    with pytest.raises(CheckpointError, match=r"negative variances, in enc_2\.bn\.running_var"):
        load_checkpoint(save({**theirs, "enc_2.bn.running_var": -theirs["enc_2.bn.running_var"]}, tmp_path / "x.pth"))
    with pytest.raises(CheckpointError, match=r"no floating-point numbers: enc_1\.conv\.input_conv\.weight \(int32\)"):
        load_checkpoint(save({**theirs, key: theirs[key].int()}, tmp_path / "x.pth"))
    with pytest.raises(CheckpointError, match="no known checkpoint family"):
        load_checkpoint(save({**theirs, key: theirs[key].to("meta")}, tmp_path / "x.pth"))


def test_a_flipped_bit_is_noticed(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    path = save(theirs, tmp_path / "x.pth")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_mask_weights_must_be_ones(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    theirs["enc_2.conv.mask_conv.weight"][0] = 2
    with pytest.raises(CheckpointError, match="not all one"):
        load_checkpoint(save(theirs, tmp_path / "x.pth"))


def test_an_unknown_family_names_the_nearest_and_the_keys(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError, match="none of their keys are there"):
        load_checkpoint(save({"layer1.weight": torch.zeros(1)}, tmp_path / "x.pth"))
    near = {key: tensor for key, tensor in theirs.items() if key != "dec_1.conv.input_conv.bias"}
    with pytest.raises(CheckpointError, match=r"nearest is naoto0804, by .*lacks dec_1\.conv\.input_conv\.bias"):
        load_checkpoint(save(near, tmp_path / "x.pth"))


def test_own_checkpoint_of_another_version_or_network_is_refused(tmp_path: Path) -> None:
    network = PConvUNet(widths=(4, 6))
    path = tmp_path / "a.ckpt"
    save_checkpoint(path, network, network.interface())
    content = torch.load(path, weights_only=True)
    with pytest.raises(CheckpointError, match="checkpoint version 99, this release reads 1"):
        load_checkpoint(save({**content, "version": 99}, path))
    with pytest.raises(CheckpointError, match="a network called 'other'"):
        load_checkpoint(save({**content, "network": "other"}, path))
    with pytest.raises(CheckpointError, match="arguments or interface are invalid"):
        load_checkpoint(save({**content, "arguments": {"depth": 3}}, path))
