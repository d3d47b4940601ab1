"""The state of a run: whole or not at all, and only for the run it belongs to."""

import errno
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from inpaintrt.runtime.errors import UsageError
from inpaintrt.training.state import State, check_fits, identity, read_state, write_state


def make_state(step: int = 3) -> State:
    return State(step, {"stages": [{"steps": 5}]}, {"weight": torch.ones(3)}, {}, [{"state": {}}], {})


def test_a_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path / "state" / "last.ckpt", make_state())
    found = read_state(tmp_path / "state" / "last.ckpt")
    assert (found.step, found.identity, found.optimizers) == (3, {"stages": [{"steps": 5}]}, [{"state": {}}])
    assert found.averaged["weight"].tolist() == [1, 1, 1]
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("when", ["write", "fsync"])
def test_a_full_disk_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    path = tmp_path / "last.ckpt"
    write_state(path, make_state(3))

    def full(*_: Any, **__: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*(("os.fsync", full) if when == "fsync" else ("pathlib.Path.open", full)))
    with pytest.raises(UsageError, match=r"last\.ckpt: the state of step 4 cannot be written: No space left on device; "
                       r"the state before is intact, go on from it with --resume"):  # fmt: skip
        write_state(path, make_state(4))
    monkeypatch.undo()
    assert read_state(path).step == 3
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_state_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "state" / "last.ckpt"
    write_state(path, make_state())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"last\.ckpt: the state is damaged; remove .*state to begin again"):
        read_state(path)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_state(path, make_state())
    content = bytearray(path.read_bytes())
    place = content.index(torch.ones(3).numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="the state is damaged"):
        read_state(path)


def test_a_state_of_another_release_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(UsageError, match="the state is of another release"):
        read_state(tmp_path / "last.ckpt")


def test_keys_that_differ_are_named(tmp_path: Path) -> None:
    before = {"seed": 0, "stages": [{"steps": 5, "crop": 32}], "photos": ["a.png"], "betas": [0.5, 0.9]}
    check_fits(tmp_path, before, before)
    now = {"seed": 1, "stages": [{"steps": 6, "crop": 32}], "photos": ["a.png", "b.png"], "betas": [0.5, 0.8]}
    with pytest.raises(UsageError) as error:
        check_fits(tmp_path / "state" / "last.ckpt", before, now)
    message = str(error.value)
    for part in (
        "betas was [0.5, 0.9], is [0.5, 0.8]", "number of photos was 1, is 2", "photos[1] was not there, is b.png",
        "and 1 more",
    ):  # fmt: skip
        assert part in message
    assert f"remove {tmp_path / 'state'} to begin again" in message
    with pytest.raises(UsageError, match=r"stages\[0\]\.steps was 5, is 6"):
        check_fits(tmp_path, {"stages": before["stages"]}, {"stages": now["stages"]})


def test_what_does_not_change_the_result_may_change(photos: Path, tmp_path: Path) -> None:
    from inpaintrt.training.images import ImageStore
    from inpaintrt.training.network import make_network
    from tests.training.conftest import make_config

    store = ImageStore([photos / "a.png"], 64)
    found = [
        identity(config, store, *make_network(config), False)
        for config in (
            make_config(photos), make_config(tmp_path / "moved", save_every=7, workers=3), make_config(photos, seed=1),
        )
    ]  # fmt: skip
    assert found[0] == found[1] != found[2]
