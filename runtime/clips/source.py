"""A clip as it is found: what can be filled without changing what is known, and what is refused by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ImageError, UsageError

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")

PIXEL_FORMATS = (
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", "gbrp",
)  # fmt: skip
"""8-bit planar formats: each value of a frame is in a plane of its own."""

HDR_TRANSFERS = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}
"""Transfer functions by their number in ITU-T H.273, whose colours are not those that networks were trained on."""

INTERLACED = 2
"""The first field order of FFmpeg that is not progressive; 0 is unknown and 1 progressive."""


def is_clip(path: Path) -> bool:
    """Whether a path is called like a clip."""
    return path.suffix.lower() in SUFFIXES


def import_av() -> Any:
    """PyAV.

    Raises:
        UsageError: if it is not installed.
    """
    try:
        import av
    except ImportError:
        raise UsageError("clips need PyAV: pip install -e '.[video]'") from None
    return av


@dataclass(frozen=True)
class Colours:
    """How the values of a frame are colours.

    Args:
        matrix: of YUV, its number in ITU-T H.273.
        full_range: whether 0 is black and 255 white, or 16 and 235.
    """

    matrix: int
    full_range: bool


@contextmanager
def open_clip(path: Path) -> Iterator[Any]:
    """An open container of PyAV whose first video stream can be filled.

    Raises:
        ImageError: if it cannot be read, has no video, or is of a kind that would not come back as it was.
    """
    av = import_av()
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise ImageError(f"{path}: cannot be opened as a clip: {_words(error)}") from None
    with container:
        _check(path, container)
        yield container


def _check(path: Path, container: Any) -> None:
    if not container.streams.video:
        raise ImageError(f"{path}: has no video stream")
    codec = container.streams.video[0].codec_context
    if codec.pix_fmt not in PIXEL_FORMATS:
        raise ImageError(
            f"{path}: has pixels of format {codec.pix_fmt}; 8-bit clips are filled, such as "
            f"ffmpeg -i {path.name} -pix_fmt yuv420p ... makes"
        )
    if codec.color_trc in HDR_TRANSFERS:
        raise ImageError(
            f"{path}: is HDR, with transfer {HDR_TRANSFERS[codec.color_trc]}; convert it to SDR first, which ffmpeg's "
            "filters zscale and tonemap do"
        )
    if int(codec.field_order or 0) >= INTERLACED:
        raise ImageError(f"{path}: {INTERLACED_WORDS}")


INTERLACED_WORDS = "is interlaced; deinterlace it first: ffmpeg -i CLIP -vf bwdif -c:a copy OUTPUT"


def colours_of(frame: Any) -> Colours:
    """The colours of a frame as the file declares them.

    Where it declares nothing, what players assume: BT.709 from 720 lines up and BT.601 below, limited range.
    """
    declared = int(frame.colorspace)
    unknown = declared in (2, 3)
    matrix = (1 if frame.height >= 720 else 6) if unknown else declared
    return Colours(matrix, int(frame.color_range) == 2 or frame.format.name.startswith("yuvj"))


def frames_of(path: Path, container: Any, copy_packet: Any) -> Iterator[Any]:
    """The frames of the first video stream in the order in which they are shown.

    Args:
        path: for messages.
        container: of `open_clip`.
        copy_packet: called with each packet of the other streams, in the order of the file.

    Raises:
        ImageError: if a frame cannot be decoded, is interlaced, or changes its size or format.
    """
    av = import_av()
    video = container.streams.video[0]
    video.thread_type = "AUTO"
    number, kind = 0, None
    packets = container.demux()
    while True:
        try:
            packet = next(packets)
            decoded = packet.decode() if packet.stream is video else []
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            raise ImageError(f"{path}: frame {number} cannot be decoded: {_words(error)}") from None
        if packet.stream is not video:
            if packet.dts is not None:
                copy_packet(packet)
            continue
        for frame in decoded:
            found = (frame.width, frame.height, frame.format.name)
            kind = kind or found
            if found != kind:
                raise ImageError(f"{path}: frame {number} is {found}, but the ones before it are {kind}")
            if frame.is_corrupt:
                raise ImageError(f"{path}: frame {number} is damaged")
            if frame.interlaced_frame:
                raise ImageError(f"{path}: {INTERLACED_WORDS}")
            yield frame
            number += 1


def _words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
