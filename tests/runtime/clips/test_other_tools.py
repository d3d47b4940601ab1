"""Clips made by the ffmpeg program: what is known, times, colours, rotation and sound come back as they were."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.clips.filling import fill_clip
from inpaintrt.runtime.clips.planes import plane
from inpaintrt.runtime.clips.target import LOSSLESS, Encoding
from inpaintrt.runtime.errors import ImageError
from tests.runtime.clips.conftest import frames

av = pytest.importorskip("av", reason="needs PyAV: pip install -e '.[video]'")
pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program: apt install ffmpeg")

FFmpeg = Callable[..., Path]
PATTERN = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.32")
LOSSLESS_CLIP = Encoding(codec=LOSSLESS)


@pytest.fixture
def ffmpeg(tmp_path: Path) -> FFmpeg:
    """Runs ffmpeg; its last argument is the name of the clip."""

    def make(*arguments: str) -> Path:
        path = tmp_path / arguments[-1]
        command = ["ffmpeg", "-v", "error", "-y", *arguments[:-1], str(path)]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if "Unknown encoder" in made.stderr:
            pytest.skip(f"this ffmpeg has no such encoder: {made.stderr.splitlines()[0]}")
        assert made.returncode == 0, made.stderr
        return path

    return make


def described(path: Path) -> list[tuple[Any, ...]]:
    return [
        (round(float(frame.time), 3), frame.rotation % 360, int(frame.colorspace), int(frame.color_range) == 2)
        for frame in frames(path)
    ]


def packets(path: Path, stream: int) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=stream) if packet.size]


def check_known(clip: Path, output: Path) -> None:
    """Every value of every plane that no pixel of the hole stands for is the decoded one; the hole is another."""
    hole = np.zeros((48, 64), dtype=np.bool_)
    hole[11:21, 21:41] = True
    changed = False
    for old, new in zip(frames(clip), frames(output), strict=True):
        assert new.format.name.replace("yuvj", "yuv") == old.format.name.replace("yuvj", "yuv")
        for before, after in zip(old.planes, new.planes, strict=True):
            down, across = 48 // before.height, 64 // before.width
            known = ~hole.reshape(before.height, down, before.width, across).any(axis=(1, 3))
            assert (plane(after)[known] == plane(before)[known]).all()
            changed |= bool((plane(after) != plane(before)).any())
    assert changed


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("h264.mp4", ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p")),
        ("hevc.mp4", ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p")),
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p")),
        ("mpeg4.avi", ("-c:v", "mpeg4", "-bf", "0")),
        ("422.mkv", ("-c:v", "libx264", "-pix_fmt", "yuv422p")),
        ("full.mp4", ("-c:v", "libx264", "-vf", "scale=out_range=full", "-pix_fmt", "yuvj420p", "-color_range", "pc")),
        ("bt709.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_range", "tv")),
        (
            "variable.mkv",
            ("-vf", "setpts='(N+N*N/7)/25/TB'", "-fps_mode", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p"),
        ),
        ("gop.mp4", ("-c:v", "libx264", "-g", "3", "-flags", "+cgop", "-pix_fmt", "yuv420p")),
    ],
)
def test_clips_of_many_kinds_keep_what_is_known(
    ffmpeg: FFmpeg, inpainter: Inpainter, mask: Path, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    clip, output = ffmpeg(*PATTERN, *arguments, name), tmp_path / "out.mkv"
    done = fill_clip(inpainter, clip, mask, output, LOSSLESS_CLIP)
    assert done.frames == done.filled == len(frames(clip)) == 8
    check_known(clip, output)
    assert described(output) == described(clip)


def test_two_sound_tracks_and_subtitles_are_copied_bit_by_bit(
    ffmpeg: FFmpeg, inpainter: Inpainter, mask: Path, tmp_path: Path
) -> None:
    subtitles = tmp_path / "words.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:00,200\nwords\n")
    tones = [argument for pitch in (440, 880) for argument in ("-f", "lavfi", "-i", f"sine={pitch}:duration=0.32")]
    maps = [argument for source in range(4) for argument in ("-map", str(source))]
    clip = ffmpeg(
        *PATTERN, *tones, "-i", str(subtitles), *maps, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a:0", "aac",
        "-c:a:1", "libopus", "-metadata", "title=A title", "-metadata:s:a:1", "language=fra", "clip.mkv",
    )  # fmt: skip
    output = tmp_path / "out.mkv"
    fill_clip(inpainter, clip, mask, output)
    for stream in range(2):
        assert packets(clip, stream)
        assert packets(output, stream) == packets(clip, stream)
    with av.open(str(clip)) as before, av.open(str(output)) as after:
        assert [stream.type for stream in after.streams] == [stream.type for stream in before.streams]
        assert after.metadata["title"] == "A title"
        assert after.streams.audio[1].metadata["language"] == "fra"
        assert [bytes(packet) for packet in after.demux(subtitles=0) if packet.size] == [
            bytes(packet) for packet in before.demux(subtitles=0) if packet.size
        ]


def test_a_rotated_clip_takes_an_upright_mask(ffmpeg: FFmpeg, inpainter: Inpainter, mask: Path, tmp_path: Path) -> None:
    flat = ffmpeg(*PATTERN, "-c:v", "libx264", "-pix_fmt", "yuv420p", "flat.mp4")
    clip = ffmpeg("-i", str(flat), "-c", "copy", "-metadata:s:v:0", "rotate=270", "rotated.mp4")
    if {frame.rotation % 360 for frame in frames(clip)} == {0}:  # as later releases of ffmpeg have it
        clip = ffmpeg("-display_rotation", "90", "-i", str(flat), "-c", "copy", "rotated.mp4")
    (rotation,) = {frame.rotation % 360 for frame in frames(clip)}
    assert rotation in (90, 270)
    upright = tmp_path / "upright.png"
    Image.fromarray(np.rot90(np.array(Image.open(mask)), rotation // 90).copy()).save(upright)
    fill_clip(inpainter, clip, upright, tmp_path / "out.mp4", Encoding(quality=0))
    check_known(clip, tmp_path / "out.mp4")
    assert described(tmp_path / "out.mp4") == described(clip)


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("span", ["tv", "pc"])
def test_patches_of_colour_survive_a_pass_without_holes(
    ffmpeg: FFmpeg, inpainter: Inpainter, tmp_path: Path, matrix: str, span: str
) -> None:
    """Decoded by ffmpeg to RGB, before and after, the patches have the same colours."""
    nothing = tmp_path / "nothing.png"
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(nothing)
    clip = ffmpeg(
        "-f", "lavfi", "-i", "smptehdbars=size=64x48:rate=25:duration=0.08", "-vf",
        f"scale=out_color_matrix={matrix}:out_range={span},format=yuv444p", "-c:v", "libx264", "-qp", "0",
        "-colorspace", matrix, "-color_range", span, "bars.mkv",
    )  # fmt: skip
    output = tmp_path / "out.mkv"
    fill_clip(inpainter, clip, nothing, output, Encoding(quality=0))
    raw = [
        ffmpeg("-i", str(path), "-pix_fmt", "rgb24", "-f", "rawvideo", f"{path.stem}.raw") for path in (clip, output)
    ]
    assert raw[0].read_bytes() == raw[1].read_bytes()
    assert len(set(raw[0].read_bytes())) > 5


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("prores.mov", ("-c:v", "prores_ks", "-profile:v", "0"), "has pixels of format yuv422p10le; 8-bit"),
        (
            "hdr.mkv",
            ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-color_trc", "smpte2084", "-x264-params", "transfer=smpte2084"),
            "is HDR, with transfer PQ",
        ),
        (
            "interlaced.mkv",
            ("-vf", "tinterlace=interleave_top", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-flags", "+ilme+ildct"),
            "is interlaced; deinterlace it first",
        ),
    ],
)
def test_what_would_not_come_back_is_refused(
    ffmpeg: FFmpeg, inpainter: Inpainter, mask: Path, tmp_path: Path, name: str, arguments: tuple[str, ...], reason: str
) -> None:
    clip = ffmpeg(*PATTERN, *arguments, name)
    with pytest.raises(ImageError, match=reason):
        fill_clip(inpainter, clip, mask, tmp_path / "out.mkv", LOSSLESS_CLIP)
    assert not list(tmp_path.glob("*out.mkv"))
