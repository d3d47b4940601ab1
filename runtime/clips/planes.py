"""From the planes of a frame to RGB and back, so that only values under a hole change.

A chroma value of a 4:2:0 or 4:2:2 frame stands for several pixels. It is replaced if one of them is a hole; every other
value of every plane stays as it was decoded.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .source import Colours, import_av

UInt8Array = NDArray[np.uint8]

MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""YUV matrices of ITU-T H.273 to the numbers of FFmpeg's scaler; 6 (SMPTE 170M) is 5 (BT.601) by another name."""


def to_rgb(frame: Any, colours: Colours) -> UInt8Array:
    """A frame as uint8 RGB [H,W,3] of full range."""
    rgb = frame.reformat(format="rgb24", **_conversion(colours, to_frame=False))
    array: UInt8Array = rgb.to_ndarray()
    return array


def paste(frame: Any, filled: UInt8Array, hole: NDArray[np.bool_], colours: Colours) -> Any:
    """The frame with the filled pixels in its holes.

    Args:
        frame: a frame of PyAV; not changed.
        filled: uint8 RGB [H,W,3].
        hole: bool [H,W].
        colours: of the frame.

    Returns:
        A new frame; values of planes that no hole touches are those of `frame`.
    """
    av = import_av()
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(filled), format="rgb24")
    converted = rgb.reformat(format=frame.format.name, **_conversion(colours, to_frame=True))
    result = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for old, new, target in zip(frame.planes, converted.planes, result.planes, strict=True):
        touched = _holes_of_plane(hole, old.height, old.width)
        plane(target)[:] = np.where(touched, plane(new), plane(old))
    return result


def plane(source: Any) -> UInt8Array:
    """A plane of a frame as [h,w], without its padding; shares memory with it."""
    rows = np.frombuffer(source, dtype=np.uint8).reshape(-1, source.line_size)
    view: UInt8Array = rows[: source.height, : source.width]
    return view


def _holes_of_plane(hole: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Which values of a plane of [height,width] stand for a pixel that is a hole."""
    down, across = -(-hole.shape[0] // height), -(-hole.shape[1] // width)
    padded = np.zeros((down * height, across * width), dtype=np.bool_)
    padded[: hole.shape[0], : hole.shape[1]] = hole
    touched = padded.reshape(height, down, width, across).any(axis=(1, 3))
    return np.asarray(touched)


def _conversion(colours: Colours, to_frame: bool) -> dict[str, Any]:
    """Arguments of `reformat`: matrix and range on the side of the frame, full range on that of RGB."""
    from av.video.reformatter import ColorRange, Interpolation

    frame_range = ColorRange.JPEG if colours.full_range else ColorRange.MPEG
    ranges = (ColorRange.JPEG, frame_range) if to_frame else (frame_range, ColorRange.JPEG)
    matrix = MATRICES.get(colours.matrix, 5)
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
    return {
        "src_colorspace": matrix,
        "dst_colorspace": matrix,
        "src_color_range": ranges[0],
        "dst_color_range": ranges[1],
        "interpolation": exact,
    }
