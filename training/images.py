"""The images of a run: found, checked one by one before the first step, and decoded when they are wanted."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaintrt.runtime.console import progress
from inpaintrt.runtime.errors import ImageError, UsageError
from inpaintrt.runtime.images import read_image

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")

MEMORY = 1 << 30
"""Bytes of reduced images that a process keeps; the others are decoded each time."""


def find_images(folders: Sequence[Path], exclude: Sequence[str] = ()) -> list[Path]:
    """Images, or those below folders, sorted by name, without those whose file name holds a string of `exclude`.

    Raises:
        UsageError: if there is no such file or folder, or it holds no image.
    """
    found: list[Path] = []
    for number, folder in enumerate(folders):
        key = f"photos[{number}]"
        if not folder.exists():
            raise UsageError(f"{key}: {folder} does not exist; expected an image or a folder of images")
        try:
            inside = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        except OSError as error:  # a folder that may not be read, or goes away
            raise UsageError(f"{key}: {folder} cannot be searched: {error}") from None
        images = [path for path in inside if path.is_file() and path.suffix.lower() in SUFFIXES]
        here = [path for path in images if not any(text in path.name for text in exclude)]
        if not here:
            kept_out = f"; `exclude` keeps {len(images)} of {len(images)} out" if images else ""
            raise UsageError(f"{key}: no images ({', '.join(SUFFIXES)}) in {folder}{kept_out}")
        found += here
    return found


def load_image(path: Path, short_side: int) -> NDArray[np.uint8]:
    """One image as RGB [H,W,3], upright, reduced so that its short side has at most `short_side` pixels.

    Raises:
        ImageError: if it is damaged, has more than 8 bits a channel, another colour mode, or transparent pixels.
    """
    read = read_image(path)
    if read.alpha is not None and read.alpha.min() < 255:
        raise ImageError(f"{path}: has transparent pixels, which have no colour to learn; flatten it, or exclude it")
    rgb = Image.fromarray(read.rgb)
    factor = min(1.0, short_side / min(rgb.size))
    size = (max(1, round(rgb.width * factor)), max(1, round(rgb.height * factor)))
    return np.array(rgb.resize(size, Image.Resampling.LANCZOS))


class ImageStore:
    """Images by number. Those that fit into `MEMORY` stay decoded, the ones used last.

    Args:
        paths: the files.
        short_side: as for `load_image`.
    """

    def __init__(self, paths: Sequence[Path], short_side: int):
        self.paths = list(paths)
        self.short_side = short_side
        self.short_sides: list[int] = []
        """Of each image after `check`, reduced."""
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0

    def check(self) -> None:
        """Decode every image once, with a progress bar.

        Raises:
            ImageError: naming the first that cannot be used and the number of the others.
        """
        bad: list[str] = []
        self.short_sides = []
        with progress() as shown:
            shown.start(f"reading {len(self.paths)} images")
            for number in range(len(self.paths)):
                try:
                    self.short_sides.append(min(self.load(number).shape[:2]))
                except ImageError as error:
                    bad.append(str(error))
                shown.update((number + 1) / len(self.paths))
        if bad:
            more = f"; and {len(bad) - 1} more of {len(self.paths)} images cannot be used" if len(bad) > 1 else ""
            raise ImageError(f"{bad[0]}{more}")

    def load(self, number: int) -> NDArray[np.uint8]:
        """RGB [H,W,3], reduced.

        Raises:
            ImageError: as `load_image`.
        """
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        image = load_image(self.paths[number], self.short_side)
        self._kept[number] = image
        self._bytes += image.nbytes
        while self._bytes > MEMORY and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return image

    def identity(self) -> list[str]:
        """Name and number of bytes of each file, by which a resumed run knows its images."""
        return [f"{path.name}, {path.stat().st_size} bytes" for path in self.paths]
