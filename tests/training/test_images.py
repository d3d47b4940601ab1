"""Images of a run: found, checked by name, turned upright, and kept within a bound."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime.errors import ImageError, UsageError
from inpaintrt.training import images
from inpaintrt.training.images import ImageStore, find_images, load_image


def test_held_out_images_are_held_out(photos: Path) -> None:
    assert [path.name for path in find_images([photos], ["held-out"])] == ["a.png", "b.png"]
    assert [path.name for path in find_images([photos / "a.png"])] == ["a.png"]


def test_where_there_are_no_images_the_folder_is_named(photos: Path) -> None:
    with pytest.raises(UsageError, match=r"photos\[1\]: .*none does not exist; expected an image or a folder"):
        find_images([photos, photos / "none"])
    with pytest.raises(UsageError, match=r"photos\[0\]: no images .* in .*photos; `exclude` keeps 3 of 3 out"):
        find_images([photos], [".png"])
    (photos / "notes.txt").write_text("no image")
    with pytest.raises(UsageError, match=r"photos\[0\]: no images \(\.jpeg, \.jpg, \.png, \.webp\)"):
        find_images([photos / "notes.txt"])


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert load_image(tmp_path / "turned.jpg", 64).shape == (40, 20, 3)


def test_an_image_is_reduced_to_its_short_side(photos: Path) -> None:
    assert load_image(photos / "a.png", 20).shape == (20, 25, 3)
    assert load_image(photos / "a.png", 64).shape == (40, 50, 3)


def test_what_cannot_be_learned_from_is_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 60000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ImageError, match=r"deep\.png: has more than 8 bits per channel"):
        load_image(tmp_path / "deep.png", 64)
    clear = np.full((20, 20, 4), 255, np.uint8)
    Image.fromarray(clear).save(tmp_path / "opaque.png")
    assert load_image(tmp_path / "opaque.png", 64).shape == (20, 20, 3)
    clear[0, 0, 3] = 254
    Image.fromarray(clear).save(tmp_path / "clear.png")
    with pytest.raises(ImageError, match=r"clear\.png: has transparent pixels, .*flatten it, or exclude it"):
        load_image(tmp_path / "clear.png", 64)


def test_every_broken_image_is_found_before_the_first_step(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:200])
    (photos / "c.jpg").write_text("no image")
    with pytest.raises(ImageError, match=r"b\.png: is damaged.*; and 1 more of 4 images cannot be used"):
        ImageStore(find_images([photos]), 64).check()
    assert "reading 4 images" in capsys.readouterr().err


def test_images_beyond_the_memory_are_decoded_again(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MEMORY", 2 * 40 * 50 * 3)
    store = ImageStore(find_images([photos]), 64)
    store.check()
    assert store.short_sides == [40, 40, 40]
    decoded = []
    load = load_image
    monkeypatch.setattr(images, "load_image", lambda path, side: decoded.append(path.name) or load(path, side))
    for number in (1, 2, 0, 2, 1):
        assert (store.load(number) == load(store.paths[number], 64)).all()
    assert decoded == ["a.png", "b.png"]


def test_a_folder_that_cannot_be_searched_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "inner")

    monkeypatch.setattr(Path, "rglob", refuse)
    with pytest.raises(UsageError, match=r"photos\[0\]: .* cannot be searched: .*Permission denied: 'inner'"):
        find_images([tmp_path])
