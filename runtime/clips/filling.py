"""Fills every frame of a clip; decoding, filling and encoding of successive frames overlap."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inpainter import Inpainter
from ..streaming import Workers, map_in_order
from .masks import masks_of, next_mask
from .planes import paste, to_rgb
from .source import colours_of, frames_of, open_clip
from .target import Encoding, write_clip

AHEAD = 3
"""Frames that are read before the first of them is encoded."""


@dataclass(frozen=True)
class FilledClip:
    """What became of a clip.

    Args:
        frames: how many it has.
        filled: how many of them had a hole.
        seconds: from opening the clip to its last byte.
    """

    frames: int
    filled: int
    seconds: float


@dataclass(frozen=True)
class _Task:
    """A frame, its hole [H,W] upright, and by how many quarter turns (counter-clockwise) the frame becomes upright."""

    frame: Any
    hole: NDArray[np.bool_]
    turns: int


def fill_clip(
    inpainter: Inpainter,
    clip: Path,
    mask: Path | None,
    output: Path,
    encoding: Encoding | None = None,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> FilledClip:
    """Fill the holes of all frames. Frames without a hole are encoded as they were decoded.

    Args:
        inpainter: open, and not closed here.
        clip: 8-bit, progressive.
        mask: an image for all frames, a folder with one for each in the order of their names, or a clip; upright, as
            players show the frames. None if the bundle's mask is fixed.
        output: written under another name and renamed when it is whole.
        encoding: of the frames.
        on_progress: called with the number of frames done and their number, which is 0 where the file does not tell.

    Raises:
        ImageError: if a frame or mask cannot be read or does not fit.
        UsageError: if the encoding does not fit, or PyAV is missing.
        OSError: if the output cannot be written.
    """
    start = time.perf_counter()
    frames = filled = 0
    workers = Workers(1)
    with open_clip(clip) as source, write_clip(output, source, encoding or Encoding()) as target:
        count = source.streams.video[0].frames
        tasks = _tasks(clip, source, mask, target)
        try:
            done = map_in_order(lambda task: workers.submit(_fill, inpainter, task), tasks, AHEAD)
            for task, frame in done:
                target.encode(frame, task.frame)
                frames += 1
                filled += bool(task.hole.any())
                on_progress(frames, count)
        finally:
            workers.close()
    return FilledClip(frames, filled, time.perf_counter() - start)


def _tasks(clip: Path, source: Any, mask: Path | None, target: Any) -> Iterator[_Task]:
    masks = masks_of(mask) if mask is not None else None
    for number, frame in enumerate(frames_of(clip, source, target.copy)):
        if number == 0:
            target.rotate(frame.rotation)
        turns = round(frame.rotation / 90) % 4
        size = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
        hole = np.ones(size, dtype=np.bool_) if masks is None else next_mask(masks, mask or clip, number, size)
        yield _Task(frame, hole, turns)


def _fill(inpainter: Inpainter, task: _Task) -> tuple[_Task, Any]:
    if not task.hole.any():
        return task, task.frame
    colours = colours_of(task.frame)
    rgb = np.ascontiguousarray(np.rot90(to_rgb(task.frame, colours), task.turns))
    fixed = inpainter.fixed_size is not None
    filled = inpainter(rgb) if fixed else inpainter(rgb, task.hole)
    hole = (filled != rgb).any(axis=-1) if fixed else task.hole
    return task, paste(task.frame, np.rot90(filled, -task.turns), np.rot90(hole, -task.turns), colours)
