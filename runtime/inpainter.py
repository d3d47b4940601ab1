"""`Inpainter`: a bundle, opened on the best backend of this machine, for images of any size."""

import types
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import (
    FIXED_MASK_GIVEN,
    NO_MASK,
    NO_SKETCH,
    check_image,
    check_out,
    check_plane,
    is_on_gpu,
)  # fmt: skip
from .backends.choice import choose_backend
from .backends.memory import Memory
from .bundle import Bundle
from .errors import BackendError, ImageError, UsageError
from .fixed_mask import read_fixed_mask
from .host_filling import HostFiller
from .streaming import Workers, map_in_order
from .upscale import place_on_grid, to_pixel_centres
from .window_sizes import Choice, check_choice

UInt8Array = NDArray[np.uint8]
Mask = NDArray[np.uint8 | np.bool_]


class Inpainter:
    """Fills holes in images. May be shared by threads.

    ::

        with Inpainter("places") as inpaint:
            filled = inpaint(image, mask)
            for filled in inpaint.map(pairs): ...

    A bundle that was exported with `--fixed-mask` takes no mask: `inpaint(image)`. One that was exported with
    `--sketch` takes lines to follow: `inpaint(image, mask, sketch=lines)`.

    Args:
        bundle: directory of a bundle exported with `--io image`.
        device: `auto` for the best there is, `cpu`, or `cuda` to fail where no GPU can be used; `cuda:1` for the second
            GPU; `cuda:all` for every GPU that can run the bundle: each call goes to one that has least to do.
        threads: CPU threads for one image; 0 leaves it to the backend.
        window: what of an image the network is given at once. `auto`: the whole image, or windows around groups of
            holes, whichever is fewer pixels; a hole too wide for a window is filled at a smaller scale and carried up.
            `whole`: the image as it is; one larger than the network takes is refused. A size in pixels: windows of
            that height and width, for images larger than that.

    Attributes:
        backend: which backend was chosen, and why not the ones before it.

    Raises:
        BundleError: if the bundle is missing, malformed or altered.
        BackendError: if no backend can run it here.
        UsageError: if `device` or `window` is none of these.
    """

    def __init__(self, bundle: str | Path, device: str = "auto", threads: int = 0, window: Choice = "auto"):
        self.bundle = Bundle.open(bundle)
        if self.bundle.interface.io != "image":
            raise BackendError(f"{bundle}: was exported with --io tensor; export it with --io image to fill images")
        unknown = set(self.bundle.interface.inputs) - {"image", "mask", "sketch"}
        if unknown:
            raise BackendError(f"{bundle}: needs {', '.join(sorted(unknown))}, which this release cannot give")
        self._fixed = read_fixed_mask(self.bundle)
        self._choice = check_choice(window, self.bundle.interface)
        self._backend, self.backend = choose_backend(self.bundle, device, threads)
        self._host_filler = HostFiller(self._backend, self.bundle.interface)
        self._workers = Workers(self._backend.parallel)

    def __enter__(self) -> "Inpainter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the backend. Submitted images that have not begun are cancelled; the others come to their end."""
        self._workers.close()
        self._backend.close()

    def __call__(
        self,
        image: UInt8Array,
        mask: Mask | None = None,
        *,
        sketch: Mask | None = None,
        out: Any = None,
        stream: Any = None,
        window: Choice | None = None,
    ) -> Any:
        """Fill the holes. Frames on a GPU stay there.

        Args:
            image: uint8 RGB [H,W,3] or [N,H,W,3]; not changed.
            mask: uint8 or bool [H,W] or [N,H,W]; non-zero = hole. None if, and only if, the bundle's mask is fixed.
            sketch: uint8 or bool of the mask's shape; non-zero = line. Only for a bundle that takes one; None for no
                lines. Lines outside the holes have no effect.
            out: where to write the result, of the image's type, shape and device; None for a new array.
            stream: of the caller, for arrays on a GPU: a handle, or an object with `__cuda_stream__` or `cuda_stream`.
                The call only enqueues, in that stream's order; None to end when the result is there.
            window: as of the class, for this call; None for that of the class. Frames on a GPU that the network takes
                as a whole are filled as a whole with `auto`.

        All arrays are NumPy's, or all are on the GPU of a TensorRT engine: anything with `__dlpack__` or
        `__cuda_array_interface__` (torch, CuPy, cuda-core).

        Returns:
            `out`; or a new array like `image`, on a GPU a `frames.GpuImages`. Known pixels are bit-identical.

        Raises:
            ImageError: if types, shapes, layouts or devices are wrong or do not fit each other.
            BackendError: if the network cannot run, or the frames are on a GPU and no engine runs there.
            UsageError: if the network has no such windows.
        """
        choice = self._choice if window is None else check_choice(window, self.bundle.interface)
        if is_on_gpu(image):
            return self._fill_on_gpu(image, mask, sketch, out, stream, choice)
        if stream is not None:
            raise ImageError("a stream was given, but the image is not on a GPU; leave it out")
        filled = self._fill_on_host(image, mask, sketch, choice)
        if out is None:
            return filled
        check_out(out, filled)
        np.copyto(out, filled)
        return out

    def _fill_on_host(self, image: UInt8Array, mask: Mask | None, sketch: Mask | None, choice: Choice) -> UInt8Array:
        image = np.asarray(image)
        mask = self._given_or_fixed(image, mask)
        check_image(image, mask)
        line = self._lines(image, sketch)
        choice = choice if self._fixed is None else "whole"
        if image.ndim == 3:
            filled: UInt8Array = self._host_filler.fill(image[None], mask[None] != 0, line[None], choice)[0]
            return filled
        return self._host_filler.fill(image, mask != 0, line, choice)

    def _fill_on_gpu(self, image: Any, mask: Any, sketch: Any, out: Any, stream: Any, choice: Choice) -> Any:
        from .frame_filling import FrameFiller, engine_on_gpu_of  # only with a GPU

        if self._fixed is None and mask is None:
            raise ImageError(NO_MASK)
        if self._fixed is not None and mask is not None:
            raise ImageError(FIXED_MASK_GIVEN)
        if sketch is not None and "sketch" not in self.bundle.interface.inputs:
            raise ImageError(NO_SKETCH)
        given = {"image": image, "mask": mask, "sketch": sketch}
        filler = FrameFiller(engine_on_gpu_of(image, self._backend), self.bundle.interface, self.fixed_size)
        return filler.fill({name: each for name, each in given.items() if each is not None}, out, stream, choice)

    def submit(
        self,
        image: UInt8Array,
        mask: Mask | None = None,
        *,
        sketch: Mask | None = None,
        window: Choice | None = None,
    ) -> "Future[UInt8Array]":
        """Fill the holes on another thread. The arrays must not change until the future is done.

        Returns:
            A future: `result()` returns or raises what a call returns or raises, `cancel()` succeeds until it begins.

        Raises:
            BackendError: if this Inpainter was closed.
        """
        return self._workers.submit(self, image, mask, sketch=sketch, window=window)

    def map(self, pairs: Iterable[Any], ahead: int = 2) -> Generator[UInt8Array, None, None]:
        """Fill a stream of images, in order. While the caller has one, the next ones are read and filled.

        On a GPU, copies and network of successive images overlap as well. `pairs` runs on the caller's thread.

        Args:
            pairs: of image and mask, as for a call; with a third, the sketch; or images only, where the bundle's mask
                is fixed. An array must not change before its result is there.
            ahead: images that are read before the caller asks for their results; 0 for none.

        Yields:
            The filled images. If `pairs` raises, the results of the images before come first. Closing the generator
            half-way, or an exception, leaves nothing running.

        Raises:
            UsageError: if `ahead` is negative.
            ImageError: as a call, in place of the image's result; it ends the stream.
            BackendError: if this Inpainter was closed meanwhile.
        """
        if ahead < 0:
            raise UsageError(f"ahead is {ahead}, expected 0 or more")
        return map_in_order(self._submit_pair, pairs, ahead)

    def _submit_pair(self, pair: Any) -> "Future[UInt8Array]":
        given = tuple(pair) if isinstance(pair, tuple | list) else (pair,)
        if not 1 <= len(given) <= 3:
            raise ImageError(f"expected image, mask and sketch at most, got {len(given)} arrays")
        image, mask, sketch = (*given, None, None)[:3]
        return self.submit(image, mask, sketch=sketch)

    def upscale(self, image: UInt8Array, factor: int) -> UInt8Array:
        """Super-resolution: the pixels of `image` lie far apart on a grid, and what is between them is filled.

        For networks that were trained on such masks too (Liu et al., ECCV 2018, section 5): `lattice` of a recipe.
        The result lies where ordinary resizing puts it (`upscale.py`); for odd factors it holds the pixels of `image`
        unchanged. docs/training.md compares it with bicubic interpolation.

        Args:
            image: uint8 RGB [H,W,3] or [N,H,W,3]; not changed.
            factor: 2 or more.

        Returns:
            [factor*H,factor*W,3] or [N,factor*H,factor*W,3].

        Raises:
            ImageError: if type or shape is wrong, the factor is below 2, or the bundle's mask is fixed.
        """
        image = np.asarray(image)
        if factor < 2:
            raise ImageError(f"an image is enlarged by 2 or more, not by {factor}")
        check_image(image, np.zeros(image.shape[:-1], dtype=np.bool_))
        return to_pixel_centres(self(*place_on_grid(image, factor)), factor)

    @property
    def memory(self) -> Memory | None:
        """Bytes held now for images on their way; None with ONNX Runtime, which does not say."""
        return self._backend.memory

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width that images must have if the bundle's mask is fixed; None if it takes a mask."""
        return None if self._fixed is None else (self._fixed.shape[0], self._fixed.shape[1])

    def _given_or_fixed(self, image: np.ndarray, mask: NDArray[Any] | None) -> NDArray[Any]:
        if self._fixed is None:
            if mask is None:
                raise ImageError(NO_MASK)
            return np.asarray(mask)
        if mask is not None:
            raise ImageError(FIXED_MASK_GIVEN)
        if image.ndim in (3, 4) and image.shape[-3:-1] != self._fixed.shape:
            have, need = (f"{size[1]}x{size[0]}" for size in (image.shape[-3:-1], self._fixed.shape))
            raise ImageError(f"the image is {have}, but the fixed mask of this bundle is for {need}")
        return np.broadcast_to(self._fixed, image.shape[:-1])

    def _lines(self, image: UInt8Array, sketch: NDArray[Any] | None) -> NDArray[np.bool_]:
        if sketch is None:
            return np.broadcast_to(np.False_, image.shape[:-1])
        if "sketch" not in self.bundle.interface.inputs:
            raise ImageError(NO_SKETCH)
        check_plane("sketch", np.asarray(sketch), image, "line")
        return np.asarray(sketch != 0)
