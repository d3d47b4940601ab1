"""Clips filled frame by frame: what is known stays, and so do times, colours, sound and rotation."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.clips.filling import fill_clip
from inpaintrt.runtime.clips.planes import plane
from inpaintrt.runtime.clips.target import LOSSLESS, Encoding
from inpaintrt.runtime.errors import ImageError
from tests.commands import refused, run
from tests.runtime.clips.conftest import HEIGHT, WIDTH, frames

av = pytest.importorskip("av", reason="needs PyAV: pip install -e '.[video]'")

FRAMES = 5
LOSSLESS_CLIP = Encoding(codec=LOSSLESS)
MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Writes a clip of smooth random frames; times in thousandths of a second."""

    def make(
        name: str = "clip.mkv", codec: str = "ffv1", pix_fmt: str = "yuv420p", times: tuple[int, ...] = (), *,
        sound: bool = False, rotation: int = 0, **colours: int,
    ) -> Path:  # fmt: skip
        rng = np.random.default_rng(0)
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
            stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
            for key, value in colours.items():
                setattr(stream.codec_context, key, value)
            if rotation:
                stream.set_display_rotation(rotation)
            audio = container.add_stream("pcm_s16le", rate=8000) if sound else None
            for number, time in enumerate(times or range(0, 40 * FRAMES, 40)):
                small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
                rgb = np.array(Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                container.mux(stream.encode(frame))
                if audio is not None:
                    samples = rng.integers(-9000, 9000, (1, 320), dtype=np.int16)
                    heard = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                    heard.sample_rate, heard.pts, heard.time_base = 8000, 320 * number, Fraction(1, 8000)
                    container.mux(audio.encode(heard))
            container.mux(stream.encode(None))
            if audio is not None:
                container.mux(audio.encode(None))
        return path

    return make


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray"])
def test_every_value_outside_the_hole_is_kept(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path, pix_fmt: str
) -> None:
    clip, output = make_clip(pix_fmt=pix_fmt), tmp_path / "out.mkv"
    done = fill_clip(inpainter, clip, mask, output, LOSSLESS_CLIP)
    assert (done.frames, done.filled) == (FRAMES, FRAMES)
    hole = np.array(Image.open(mask)) != 0
    for old, new in zip(frames(clip), frames(output), strict=True):
        assert new.format.name == pix_fmt
        assert (plane(new.planes[0])[~hole] == plane(old.planes[0])[~hole]).all()
        assert (plane(new.planes[0])[hole] != plane(old.planes[0])[hole]).any()
        for before, after in zip(old.planes[1:], new.planes[1:], strict=True):
            down, across = HEIGHT // before.height, WIDTH // before.width
            known = ~hole.reshape(before.height, down, before.width, across).any(axis=(1, 3))
            assert (plane(after)[known] == plane(before)[known]).all()


def test_the_hole_is_filled_as_the_library_fills_the_frame(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path
) -> None:
    clip, output = make_clip("clip.avi", "utvideo", "gbrp"), tmp_path / "out.avi"
    fill_clip(inpainter, clip, mask, output, Encoding("utvideo"))
    hole = np.array(Image.open(mask))
    for old, new in zip(frames(clip), frames(output), strict=True):
        assert (new.to_ndarray(format="rgb24") == inpainter(old.to_ndarray(format="rgb24"), hole)).all()


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_colours_and_times_are_kept(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path, matrix: int, full: bool
) -> None:
    times = (0, 40, 55, 140, 300)  # a variable rate
    clip = make_clip(
        times=times, colorspace=matrix, color_range=2 if full else 1, color_primaries=matrix, color_trc=matrix
    )
    output = tmp_path / "out.mkv"
    fill_clip(inpainter, clip, mask, output, LOSSLESS_CLIP)
    found = frames(output)
    assert [float(frame.time) for frame in found] == [float(frame.time) for frame in frames(clip)]
    assert [round(1000 * frame.time) for frame in found] == list(times)
    assert {(frame.colorspace, frame.color_range) for frame in found} == {(matrix, 2 if full else 1)}
    assert {(frame.color_primaries, frame.color_trc) for frame in found} == {(matrix, matrix)}


def test_frames_without_a_hole_are_bit_identical(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for number in range(FRAMES):
        content = np.array(Image.open(mask)) if number == 2 else np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        Image.fromarray(content).save(masks / f"{number}.png")
    clip, output = make_clip(), tmp_path / "out.mkv"
    assert fill_clip(inpainter, clip, masks, output, LOSSLESS_CLIP).filled == 1
    same = [
        all(bytes(a) == bytes(b) for a, b in zip(old.planes, new.planes, strict=True))
        for old, new in zip(frames(clip), frames(output), strict=True)
    ]
    assert same == [True, True, False, True, True]


def test_sound_is_copied_bit_by_bit(inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path) -> None:
    def packets(path: Path) -> list[tuple[int, bytes]]:
        with av.open(str(path)) as container:
            return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]

    clip, output = make_clip(sound=True), tmp_path / "out.mkv"
    fill_clip(inpainter, clip, mask, output, LOSSLESS_CLIP)
    assert len(packets(clip)) >= FRAMES
    assert packets(output) == packets(clip)


@pytest.mark.parametrize("rotation", [90, 180])
def test_rotated_clips_take_an_upright_mask(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path, rotation: int
) -> None:
    clip, output = make_clip("clip.mp4", "libx264", rotation=rotation), tmp_path / "out.mp4"
    upright = np.rot90(np.array(Image.open(mask)), rotation // 90)
    Image.fromarray(np.ascontiguousarray(upright)).save(tmp_path / "upright.png")
    fill_clip(inpainter, clip, tmp_path / "upright.png", output, Encoding(quality=0))
    found = [{frame.rotation % 360 for frame in frames(path)} for path in (clip, output)]
    assert found == [{rotation}, {rotation}]
    hole = np.array(Image.open(mask)) != 0
    for old, new in zip(frames(clip), frames(output), strict=True):
        changed = plane(new.planes[0]).astype(int) != plane(old.planes[0])
        assert not changed[~hole].any()  # x264 is lossless at 0
        assert changed[hole].any()


def test_a_mask_clip_that_is_too_short(inpainter: Inpainter, make_clip: MakeClip, tmp_path: Path) -> None:
    short = make_clip("mask.mkv", times=(0, 40, 80))
    clip, output = make_clip(), tmp_path / "out.mkv"
    with pytest.raises(ImageError, match=r"mask.mkv: has masks for 3 frames, and the clip has more"):
        fill_clip(inpainter, clip, short, output, LOSSLESS_CLIP)
    assert not list(tmp_path.glob("*out.mkv"))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_clip_leaves_no_output(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path, share: float
) -> None:
    clip = make_clip("clip.mp4", "libx264")
    content = clip.read_bytes()
    clip.write_bytes(content[: round(share * len(content))])
    with pytest.raises(ImageError, match=r"clip.mp4: "):
        fill_clip(inpainter, clip, mask, tmp_path / "out.mp4")
    assert not list(tmp_path.glob("*out.mp4"))


def test_the_command(shared_bundle: Bundle, make_clip: MakeClip, mask: Path, tmp_path: Path) -> None:
    clip, output = make_clip(sound=True), tmp_path / "out.mkv"
    arguments = (shared_bundle.path, "--image", clip, "--mask", mask, "--device", "cpu")
    done = run("inpaint", *arguments, "-o", output)
    assert f"{FRAMES} frames in" in done.stderr
    assert len(frames(output)) == FRAMES
    assert "a clip is written as one of" in refused("inpaint", *arguments, "-o", tmp_path / "out.png")
    assert "would replace an input" in refused("inpaint", *arguments, "-o", clip)
    assert "leave it out" in refused("inpaint", *arguments, "-o", output, "--resume")
    assert "--quality does not apply to --codec ffv1" in refused(
        "inpaint", *arguments, "-o", output, "--codec", "ffv1", "--quality", "3"
    )
    assert "--codec nothing" in refused("inpaint", *arguments, "-o", output, "--codec", "nothing")
    assert "are for clips" in refused(
        "inpaint", shared_bundle.path, "--image", mask, "--mask", mask, "-o", tmp_path / "o.png", "--codec", "ffv1"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pix_fmt": "yuv420p10le"}, "has pixels of format yuv420p10le"),
        ({"color_trc": 16}, "is HDR, with transfer PQ"),
    ],
)
def test_clips_that_would_not_come_back_as_they_were(
    inpainter: Inpainter, make_clip: MakeClip, mask: Path, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        fill_clip(inpainter, make_clip(**options), mask, tmp_path / "out.mkv")
