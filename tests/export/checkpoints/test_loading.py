"""Checkpoints are loaded strictly: nothing runs, and every misfit is named."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime.errors import CheckpointError
from tests.export.checkpoints.conftest import save


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


def test_an_unknown_family_names_the_nearest_and_the_keys(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError, match="none of their keys are there"):
        load_checkpoint(save({"layer1.weight": torch.zeros(1)}, tmp_path / "x.pth"))
    near = {key: tensor for key, tensor in theirs.items() if key != "dec_1.conv.input_conv.bias"}
    with pytest.raises(CheckpointError, match=r"nearest is naoto0804, by .*lacks dec_1\.conv\.input_conv\.bias"):
        load_checkpoint(save(near, tmp_path / "x.pth"))
