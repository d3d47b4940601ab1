"""`inpaint` asked for a clip: what cannot work is refused before anything runs."""

import time
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..console import progress, say
from ..errors import ImageError, UsageError
from ..inpainter import Inpainter
from ..planning import Request
from ..window_sizes import check_choice
from .filling import fill_clip
from .source import SUFFIXES, is_clip, open_clip
from .target import Encoding


def check_request(bundle: Bundle, request: Request) -> None:
    """Refuse what cannot work.

    Raises:
        ImageError: if the clip or the mask is missing or cannot be read.
        UsageError: if the options do not fit together, the bundle or the output.
    """
    check_choice(request.window, bundle.interface)
    fixed = bundle.fixed_mask() is not None
    if fixed == (request.mask is not None):
        raise UsageError(
            f"{bundle.path} was exported with --fixed-mask; leave out --mask"
            if fixed
            else "--mask is missing: which pixels are holes to fill?"
        )
    if request.upscale is not None or request.sketch is not None:
        raise UsageError("--upscale and --sketch are for images; a clip takes a --mask")
    if request.resume:
        raise UsageError("--resume is for folders: a clip is one file, which is whole only at its end; leave it out")
    for path in (request.image, request.mask):
        if path is not None and not path.exists():
            raise ImageError(f"{path}: no such file or folder")
    output = request.output
    if not is_clip(output):
        raise UsageError(f"--output {output}: a clip is written as one of {', '.join(SUFFIXES)}")
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: the folder {output.parent} does not exist")
    if output.resolve() in [path.resolve() for path in (request.image, request.mask) if path is not None]:
        raise UsageError(f"--output {output} would replace an input; choose another name")
    with open_clip(request.image):
        pass


def run_request(bundle: Path, device: str, threads: int, request: Request, encoding: Encoding) -> dict[str, Any]:
    """Fill the clip; the entry that `inpaint --json` prints.

    Raises:
        InpaintrtError: as `fill_clip`; and BackendError if no backend can run the bundle here.
    """
    with Inpainter(bundle, device, threads, request.window) as inpainter, progress() as shown:
        say(f"backend: {inpainter.backend}")
        shown.start(f"{request.image.name} -> {request.output}")
        start, told = time.perf_counter(), 0

        def report(done: int, count: int) -> None:
            nonlocal told
            shown.update(done / count if count else 0.0)
            part = done * 20 // count if count else done // 100
            if part > told:
                told = part
                rate = done / (time.perf_counter() - start)
                left = f" of {count}, {(count - done) / rate:.0f} s left" if count else ""
                shown.line(f"frame {done}{left}, {rate:.1f} a second")

        done = fill_clip(inpainter, request.image, request.mask, request.output, encoding, report)
        say(f"{done.frames} frames in {done.seconds:.1f} s, {done.filled} of them with holes")
        return {
            "backend": inpainter.backend.name,
            "rejected": dict(inpainter.backend.rejected),
            "clip": str(request.image),
            "output": str(request.output),
            "frames": done.frames,
            "filled": done.filled,
            "seconds": round(done.seconds, 3),
        }
