"""Long clips: memory that does not grow, kills at any moment, and a mask that is planned for once."""

import os
import random
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter, host_filling
from inpaintrt.runtime.clips.filling import fill_clip
from tests.commands import program

av = pytest.importorskip("av", reason="needs PyAV: pip install -e '.[video]'")


def make_clip(path: Path, frames: int, height: int, width: int) -> Path:
    """A moving gradient."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 25)
        for number in range(frames):
            values = np.indices((height, width)).sum(axis=0) + number
            frame = av.VideoFrame.from_ndarray(np.repeat(values[..., None] % 256, 3, axis=2).astype(np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_mask(path: Path, height: int, width: int) -> Path:
    hole = np.zeros((height, width), np.uint8)
    hole[10:14, 8:14] = hole[-4:, -6:] = 255
    Image.fromarray(hole).save(path)
    return path


def test_windows_are_planned_once_for_a_mask_that_does_not_move(
    dynamic_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []
    plan = host_filling.plan_windows
    monkeypatch.setattr(host_filling, "plan_windows", lambda *given: plans.append(given) or plan(*given))
    clip, mask = make_clip(tmp_path / "clip.mp4", 6, 130, 160), make_mask(tmp_path / "mask.png", 130, 160)
    with Inpainter(dynamic_bundle.path, "cpu", threads=1) as inpainter:
        assert fill_clip(inpainter, clip, mask, tmp_path / "out.mp4").filled == 6
        assert len(plans) == 1
        inpainter(np.zeros((130, 160, 3), np.uint8), np.ones((130, 160), np.bool_))
        assert len(plans) == 2


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process from /proc")
def test_memory_does_not_grow_over_5000_frames(shared_bundle: Bundle, tmp_path: Path) -> None:
    clip, mask = make_clip(tmp_path / "clip.mp4", 5000, 32, 48), make_mask(tmp_path / "mask.png", 32, 48)
    resident: dict[int, int] = {}

    def measure(done: int, count: int) -> None:
        if done in (1000, 5000):
            resident[done] = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with Inpainter(shared_bundle.path, "cpu", threads=1) as inpainter:
        done = fill_clip(inpainter, clip, mask, tmp_path / "out.mp4", on_progress=measure)
    assert done.frames == done.filled == 5000
    assert resident[5000] - resident[1000] < 20_000_000  # all frames would be 7 MB of planes and 23 MB of RGB


@pytest.mark.long
def test_a_killed_run_leaves_nothing_under_the_name(shared_bundle: Bundle, tmp_path: Path) -> None:
    clip, mask = make_clip(tmp_path / "clip.mp4", 600, 64, 64), make_mask(tmp_path / "mask.png", 64, 64)
    output = tmp_path / "out.mp4"
    places = ["--image", str(clip), "--mask", str(mask), "-o", str(output)]
    command = [sys.executable, "-c", program("inpaint"), str(shared_bundle.path), *places, "--device", "cpu"]
    rng = random.Random(0)
    killed = 0
    while killed < 6:
        partial = tmp_path / ".partial-out.mp4"
        partial.unlink(missing_ok=True)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not partial.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        ended = process.poll() is not None
        process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.wait()
        if ended:
            output.unlink(missing_ok=True)
            continue
        killed += 1
        if output.exists():  # it ended by itself just before
            with av.open(str(output)) as container:
                assert len(list(container.decode(video=0))) == 600
            output.unlink()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    with av.open(str(output)) as container:
        assert len(list(container.decode(video=0))) == 600
