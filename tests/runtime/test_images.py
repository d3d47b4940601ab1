"""Files: what is handled comes back in its own kind, the rest is refused with the reason."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import images
from inpaintrt.runtime.errors import ImageError
from inpaintrt.runtime.images import decode_image, decode_mask, encode_png, read_image, read_mask, write_image


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("L", ".png"),
        ("RGB", ".png"),
        ("RGBA", ".png"),
        ("LA", ".png"),
        ("RGB", ".tif"),
        ("RGB", ".bmp"),
        ("RGBA", ".webp"),
        ("L", ".tif"),
    ],
)
def test_lossless_kinds_come_back_bit_identical(tmp_path: Path, mode: str, suffix: str) -> None:
    original = Image.fromarray(noise(9, 13, 4), "RGBA").convert(mode)
    original.save(tmp_path / f"in{suffix}", **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    image = read_image(tmp_path / f"in{suffix}")
    assert image.rgb.shape == (9, 13, 3)
    write_image(tmp_path / f"out{suffix}", image.rgb, image)
    with Image.open(tmp_path / f"out{suffix}") as back:
        assert back.mode == mode
        assert (np.asarray(back) == np.asarray(original)).all()


def test_palette_becomes_colours(tmp_path: Path) -> None:
    rgb = Image.fromarray(noise(8, 8, 3)).quantize(16)
    rgb.save(tmp_path / "p.png")
    assert (read_image(tmp_path / "p.png").rgb == np.asarray(rgb.convert("RGB"))).all()


def test_palette_transparency_is_kept(tmp_path: Path) -> None:
    palette = Image.fromarray(noise(8, 8, 3)).quantize(16)
    palette.save(tmp_path / "p.png", transparency=3)
    alpha = read_image(tmp_path / "p.png").alpha
    assert alpha is not None
    assert ((alpha == 0) == (np.asarray(palette) == 3)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_turns_image_and_mask_upright(tmp_path: Path, orientation: int) -> None:
    pixels = noise(6, 10, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "r.png", exif=exif)
    image = read_image(tmp_path / "r.png")
    assert image.rgb.shape == ((6, 10, 3) if orientation < 5 else (10, 6, 3))
    write_image(tmp_path / "out.png", image.rgb, image)
    again = read_image(tmp_path / "out.png")  # upright now: not turned a second time
    assert (again.rgb == image.rgb).all()


def test_colour_profile_is_kept(tmp_path: Path) -> None:
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "c.png", icc_profile=b"a profile")
    image = read_image(tmp_path / "c.png")
    write_image(tmp_path / "out.png", image.rgb, image)
    with Image.open(tmp_path / "out.png") as back:
        assert back.info["icc_profile"] == b"a profile"


def sixteen_bit_rgb_png() -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(range(24)) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_what_would_be_altered_silently_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rgb16.png").write_bytes(sixteen_bit_rgb_png())
    Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4)).save(tmp_path / "grey16.png")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    Image.new("CMYK", (4, 4)).save(tmp_path / "cmyk.jpg")
    Image.new("LAB", (4, 4)).save(tmp_path / "lab.tif")
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.tif", save_all=True, append_images=frames[1:])
    for name, reason in {
        "rgb16.png": "more than 8 bits", "grey16.png": "more than 8 bits", "float.tif": "more than 8 bits",
        "cmyk.jpg": "colour mode CMYK", "lab.tif": "colour mode LAB", "two.tif": "holds 2 images",
    }.items():  # fmt: skip
        with pytest.raises(ImageError, match=reason):
            read_image(tmp_path / name)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a directory"):
        read_image(tmp_path)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ImageError, match="is not an image"):
        read_image(tmp_path / "text.png")
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="is damaged"):
        read_image(tmp_path / "cut.png")


def test_pixels_are_limited_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "big.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 2000)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="50x50 is over the limit"):
        read_image(tmp_path / "big.png")


def test_images_come_and_go_without_files(tmp_path: Path) -> None:
    original = noise(9, 13, 4)
    Image.fromarray(original).save(tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    back = decode_image(encode_png(decode_image(content, "in").rgb, decode_image(content, "in")), "back")
    assert back.alpha is not None
    assert (np.dstack([back.rgb, back.alpha]) == original).all()
    with pytest.raises(ImageError, match=r"in: 13x9 is over the limit of 0\.0001 megapixels"):
        decode_image(content, "in", max_pixels=100)
    with pytest.raises(ImageError, match="in: 13x9 is over the limit"):
        decode_mask(content, "in", max_pixels=100)


def test_any_non_zero_channel_is_a_hole(tmp_path: Path) -> None:
    values = np.zeros((4, 4, 3), np.uint8)
    values[1, 2, 2] = 1
    Image.fromarray(values).save(tmp_path / "m.png")
    assert np.argwhere(read_mask(tmp_path / "m.png")).tolist() == [[1, 2]]
    Image.fromarray(values[..., 2].astype(np.uint16) * 256).save(tmp_path / "deep.png")
    assert np.argwhere(read_mask(tmp_path / "deep.png")).tolist() == [[1, 2]]
    Image.fromarray(values[..., 2] != 0).save(tmp_path / "bits.png")
    assert np.argwhere(read_mask(tmp_path / "bits.png")).tolist() == [[1, 2]]


def test_noise_of_a_jpeg_mask_is_no_hole(tmp_path: Path) -> None:
    values = np.zeros((64, 64), np.uint8)
    values[20:40, 20:40] = 255
    Image.fromarray(values).save(tmp_path / "m.jpg", quality=50)
    with Image.open(tmp_path / "m.jpg") as lossy:
        assert (np.asarray(lossy) != 0).sum() > 400  # the noise that must not count
    assert (read_mask(tmp_path / "m.jpg") == (values != 0)).all()


def test_unknown_output_formats_are_refused(tmp_path: Path) -> None:
    image = images.DecodedImage(noise(4, 4, 3), None, False, {})
    with pytest.raises(ImageError, match=r"suffix '\.xyz'; use one of \.png"):
        write_image(tmp_path / "out.xyz", image.rgb, image)
