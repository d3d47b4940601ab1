"""Files that visitors and clients should not send, by a name and what must be said of them."""

import functools
import struct
import zlib

import numpy as np
from PIL import Image

from tests.serving.browser import encoded, png


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_zeros(width: int, height: int, extra: bytes = b"") -> bytes:
    """A real black 1-bit PNG of any size, a few kilobytes."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def moving(kind: str) -> bytes:
    """Two images in one file."""
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


@functools.cache
def bad_files() -> dict[str, tuple[bytes, str]]:
    """By name: the content, and a regular expression that the message matches."""
    rng = np.random.default_rng(5)
    good = png(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    text_bomb = chunk(b"zTXt", b"note\x00\x00" + zlib.compress(bytes(80_000_000), 1))
    heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
    return {
        "cut.png": (good[: len(good) // 2], "cut.png: is damaged"),
        "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "vector.svg: is not an image of a known format"),
        "phone.heic": (heic, "phone.heic: is not an image of a known format"),
        "empty.png": (b"", "empty.png: is empty"),
        "large.png": (png_of_zeros(20_000, 15_000), "large.png: 20000x15000 is over the limit of 1 megapixels"),
        "bomb.png": (png_of_zeros(8, 8, text_bomb), "bomb.png: is damaged"),
        "moving.gif": (moving("GIF"), r"moving.gif: is not an image of a known format"),
        "moving.webp": (moving("WEBP"), r"moving.webp: holds 2 images"),
        "moving.png": (moving("PNG"), r"moving.png: holds 2 images"),
        "print.jpg": (encoded(Image.new("CMYK", (9, 9)), "JPEG"), "print.jpg: has colour mode CMYK; convert it"),
        "deep.png": (png(rng.integers(0, 60_000, (9, 9), dtype=np.uint16)), "deep.png: has more than 8 bits"),
    }
