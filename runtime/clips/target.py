"""The file that a filled clip becomes: encoded frames, and copies of everything else."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import written_beside
from .source import import_av

CODECS = {".webm": "libvpx-vp9", ".avi": "mpeg4"}
"""Encoders by suffix; `libx264` for all others."""

LOSSLESS = "ffv1"
WITH_QUALITY = ("libx264", "libx265", "libvpx-vp9", "libsvtav1")
"""Encoders that take a constant rate factor."""

QUALITY = 16
"""Default of `--quality`, as x264, x265 and VP9 count it (CRF): hardly distinguishable from the source."""


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded.

    Args:
        codec: an encoder of FFmpeg; by the file's suffix if None. `ffv1` is lossless.
        quality: constant rate factor, 0 (best) to 51; None for 16.
    """

    codec: str | None = None
    quality: int | None = None


class Target:
    """A file that is being written; use `write_clip`.

    Args:
        output: open container of PyAV.
        source: open container that the clip is read from.
        encoding: of the frames.
    """

    def __init__(self, output: Any, source: Any, encoding: Encoding, suffix: str):
        av = import_av()
        video = source.streams.video[0]
        self._output = output
        self._codec = encoding.codec or CODECS.get(suffix, "libx264")
        output.metadata.update(source.metadata)
        with contextlib.suppress(AttributeError, ValueError):  # formats without chapters
            output.set_chapters(source.chapters())
        try:
            self._video = output.add_stream(self._codec, rate=video.average_rate or Fraction(25))
        except (av.error.FFmpegError, ValueError) as error:
            raise UsageError(f"--codec {self._codec}: cannot be written into {suffix}: {error}") from None
        self._configure(video, encoding)
        self._copies = {
            stream.index: self._copy_of(stream)
            for stream in source.streams
            if stream is not video and stream.type in ("audio", "subtitle")
        }

    def _configure(self, video: Any, encoding: Encoding) -> None:
        codec, read = self._video.codec_context, video.codec_context
        codec.width, codec.height = read.width, read.height
        codec.pix_fmt = read.pix_fmt.replace("yuvj", "yuv")
        codec.time_base = video.time_base
        self._video.time_base = video.time_base
        if read.sample_aspect_ratio:
            codec.sample_aspect_ratio = read.sample_aspect_ratio
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(codec, name, getattr(read, name))
        if read.pix_fmt.startswith("yuvj"):
            codec.color_range = 2
        self._video.metadata.update(video.metadata)
        if self._codec in WITH_QUALITY:
            codec.options = {"crf": str(QUALITY if encoding.quality is None else encoding.quality)}
        elif encoding.quality is not None:
            raise UsageError(f"--quality does not apply to --codec {self._codec}")

    def _copy_of(self, stream: Any) -> Any:
        """A stream for the packets of another one; its language, title and part (such as default) are kept."""
        copy = self._output.add_stream_from_template(stream)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        return copy

    def rotate(self, degrees: int) -> None:
        """Have players turn the frames, counter-clockwise, as those of the source. Before the first frame."""
        if degrees:
            self._video.set_display_rotation(degrees)

    def copy(self, packet: Any) -> None:
        """Write a packet of another stream, bit by bit."""
        target = self._copies.get(packet.stream.index)
        if target is not None:
            packet.stream = target
            self._output.mux(packet)

    def encode(self, frame: Any, like: Any) -> None:
        """Encode a frame at the time of `like`, the frame it was made of."""
        frame.pts, frame.time_base = like.pts, like.time_base
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(frame, name, getattr(like, name))
        frame.pict_type = 0  # the encoder chooses its own
        self._output.mux(self._video.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._output.mux(self._video.encode(None))


@contextmanager
def write_clip(path: Path, source: Any, encoding: Encoding) -> Iterator[Target]:
    """A `Target` that has its name only when it is whole; nothing is left of one that failed.

    Raises:
        UsageError: if the codec is unknown or does not fit the file's format.
        OSError: if it cannot be written.
    """
    av = import_av()
    try:
        with written_beside(path) as partial, av.open(str(partial), "w") as output:
            target = Target(output, source, encoding, path.suffix.lower())
            yield target
            target.finish()
    except av.error.FFmpegError as error:
        raise UsageError(f"{path}: cannot be encoded: {error}") from None
