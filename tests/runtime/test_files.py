"""A file is there as a whole or not at all."""

from pathlib import Path

import pytest

from inpaintrt.runtime.files import replace_file, written_beside


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with written_beside(path) as partial:
        partial.write_bytes(b"new")
        assert partial.suffix == ".png"
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("no such size")])
def test_nothing_stays_of_one_that_failed(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(type(error), match="No space left on device: '.*a.png'" if error.args[0] == 28 else "no such"), \
            written_beside(path) as partial:  # fmt: skip
        partial.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"source\.mkv"), written_beside(tmp_path / "a.mkv"):
        (tmp_path / "source.mkv").open()


def test_a_folder_that_is_not_there_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing/a\.bin'"):
        replace_file(tmp_path / "missing" / "a.bin", b"content")
