"""Images and masks from and to files: what is handled, and what is refused because it would be altered silently.

The network works on 8-bit RGB. Grey, palette and transparent images come back in their own kind; 16-bit, CMYK and
other colour spaces cannot come back with known pixels identical, and are refused.
"""

import contextlib
import io
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ImageError
from .files import written_beside

MAX_PIXELS = 200_000_000
"""Images with more pixels are refused before they are decoded."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
"""Formats that are opened, as Pillow names them; some of its other decoders start programs."""

LOSSY_FORMATS = ("JPEG", "MPO", "WEBP")

_PILLOW_LIMIT = threading.Lock()

OPAQUE_SUFFIXES = (".jpg", ".jpeg", ".bmp")

LOSSY_MASK_THRESHOLD = 128
"""Masks from lossy files hold noise around black, which must not become holes."""


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image.

    Args:
        rgb: uint8 [H,W,3], upright.
        alpha: uint8 [H,W], or None.
        grey: whether the file held no colours.
        info: colour profile and EXIF, to be saved again.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    grey: bool
    info: dict[str, Any]


def read_image(path: Path) -> DecodedImage:
    """Decode an image and turn it upright (EXIF).

    Raises:
        ImageError: if it is missing, unreadable, too large, animated, or of a kind that cannot come back unaltered.
    """
    return _to_decoded(_open(path), path)


def decode_image(content: bytes, name: str, max_pixels: int | None = None) -> DecodedImage:
    """As `read_image`, from the content of a file; `name` is for messages.

    Raises:
        ImageError: as `read_image`; more than `max_pixels` are refused before they are decoded.
    """
    return _to_decoded(_decode(io.BytesIO(content), name, max_pixels=max_pixels), name)


def _to_decoded(image: Image.Image, name: Path | str) -> DecodedImage:
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise ImageError(f"{name}: has colour mode {image.mode}; convert it to 8-bit RGB or grey first")
    alpha = np.array(image.getchannel("A")) if image.mode in ("LA", "RGBA") else None
    grey = image.mode in ("L", "LA")
    info = {key: image.info[key] for key in ("icc_profile", "exif") if image.info.get(key)}
    return DecodedImage(np.array(image.convert("RGB")), alpha, grey, info)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Decode a mask, [H,W], True = hole: where any channel is non-zero, or at least 128 in a lossy format.

    Raises:
        ImageError: as `read_image`.
    """
    return _hole(_open(path, any_depth=True))


def decode_mask(content: bytes, name: str, max_pixels: int | None = None) -> NDArray[np.bool_]:
    """As `read_mask`, from the content of a file; `name` is for messages."""
    return _hole(_decode(io.BytesIO(content), name, any_depth=True, max_pixels=max_pixels))


def encode_mask(hole: NDArray[np.bool_]) -> bytes:
    """A mask [H,W], True = hole, as a PNG whose holes are white."""
    content = io.BytesIO()
    Image.fromarray(np.where(hole, 255, 0).astype(np.uint8)).save(content, "PNG", optimize=True)
    return content.getvalue()


def _hole(image: Image.Image) -> NDArray[np.bool_]:
    lossy = image.info["inpaintrt_lossy"]
    if image.mode in ("P", "PA", "RGBA", "LA", "CMYK", "1"):
        image = image.convert("RGB")
    values = np.array(image)
    strongest = values.max(axis=2) if values.ndim == 3 else values
    hole: NDArray[np.bool_] = strongest >= LOSSY_MASK_THRESHOLD if lossy else strongest != 0
    return hole


def write_image(path: Path, rgb: NDArray[np.uint8], like: DecodedImage) -> None:
    """Save a filled image in the kind of the original, atomically.

    Raises:
        ImageError: if the format cannot be written.
        OSError: if the file cannot be written.
    """
    check_output_format(path)
    if like.alpha is not None and path.suffix.lower() in OPAQUE_SUFFIXES:
        raise ImageError(f"{path}: this format holds no transparency, and the image has it; write PNG")
    image = _in_kind_of(like, rgb)
    options: dict[str, Any] = dict(like.info)
    if path.suffix.lower() in (".jpg", ".jpeg"):
        options |= {"quality": 95, "subsampling": 0}
    if path.suffix.lower() == ".webp":
        options |= {"lossless": True, "exact": True}
    try:
        with written_beside(path) as partial:
            image.save(partial, **options)
    except (ValueError, struct.error) as error:  # such as EXIF or a size that the format cannot hold
        raise ImageError(f"{path}: cannot be written in this format: {error}; write PNG") from None


def encode_png(rgb: NDArray[np.uint8], like: DecodedImage) -> bytes:
    """A filled image as the content of a PNG, in the kind of the original.

    Raises:
        ImageError: if its EXIF or colour profile is damaged.
    """
    content = io.BytesIO()
    try:
        _in_kind_of(like, rgb).save(content, "PNG", **like.info)
    except (ValueError, struct.error) as error:
        raise ImageError(f"the result cannot be written as PNG: {error}; remove the image's EXIF data") from None
    return content.getvalue()


def _in_kind_of(like: DecodedImage, rgb: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(rgb)
    if like.grey:
        image = image.convert("L")
    if like.alpha is not None:
        image.putalpha(Image.fromarray(like.alpha))
    return image


def check_pixels(path: Path | str, width: int, height: int, max_pixels: int | None = None) -> None:
    """Refuse an image of more than `max_pixels`, which are `MAX_PIXELS` unless given.

    Raises:
        ImageError: naming the size and the limit.
    """
    limit = max_pixels or MAX_PIXELS
    if width * height > limit:
        raise ImageError(f"{path}: {width}x{height} is over the limit of {limit / 1e6:g} megapixels")


def enlarge_alpha(image: DecodedImage, factor: int) -> DecodedImage:
    """The image with its transparency, if it has any, enlarged (bicubic), for a result of that size."""
    if image.alpha is None:
        return image
    size = (factor * image.alpha.shape[1], factor * image.alpha.shape[0])
    alpha = Image.fromarray(image.alpha).resize(size, Image.Resampling.BICUBIC)
    return replace(image, alpha=np.array(alpha))


def check_output_format(path: Path) -> None:
    """Refuse a file name whose suffix names no format that can be written.

    Raises:
        ImageError: naming the formats.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ImageError(
            f"{path}: cannot write an image with suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}, "
            "or name an existing folder"
        )


def list_images(folder: Path) -> Iterator[Path]:
    """The images of a folder, sorted by name."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield path


def _open(path: Path, any_depth: bool = False) -> Image.Image:
    """Open, check before decoding, decode, and turn upright; `info` tells whether the file was lossy."""
    if not path.is_file():
        raise ImageError(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}")
    return _decode(path, path, any_depth)


def _decode(
    source: Path | io.BytesIO, name: Path | str, any_depth: bool = False, max_pixels: int | None = None
) -> Image.Image:
    try:
        with _without_pillows_limit(), Image.open(source, formats=FORMATS) as image:
            _check_before_decoding(name, image, any_depth, max_pixels)
            lossy = image.format in LOSSY_FORMATS or image.info.get("compression") == "jpeg"
            image.load()
            upright = ImageOps.exif_transpose(image)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: is not an image of a known format ({', '.join(FORMATS)})") from None
    except Exception as error:  # damaged files raise nearly anything in Pillow's decoders
        raise ImageError(f"{name}: is damaged or unreadable: {error}") from None
    upright.info["inpaintrt_lossy"] = lossy
    return upright


@contextlib.contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Pillow warns above a limit of its own, which is global; ours is checked instead, and is an error."""
    with _PILLOW_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_before_decoding(path: Path | str, image: Image.Image, any_depth: bool, max_pixels: int | None) -> None:
    check_pixels(path, image.width, image.height, max_pixels)
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise ImageError(f"{path}: holds {image.n_frames} images; save one of them by itself first")  # type: ignore[attr-defined]
    if any_depth:
        return
    # Pillow cuts 16-bit RGB down to 8 bits without a word; the raw mode of the file tells.
    raw_modes = [str(argument) for tile in getattr(image, "tile", []) for argument in _flat(tile[3])]
    if image.mode.startswith(("I", "F")) or any(";16" in mode for mode in raw_modes):
        raise ImageError(
            f"{path}: has more than 8 bits per channel; known pixels could not stay identical, convert it first"
        )


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from _flat(item)
    else:
        yield value
