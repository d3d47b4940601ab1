"""What a Triton request asks and what it gets, as arrays. Without Triton, so that it can be tested and used without.

A request holds `image` uint8 [N,H,W,3] or `image_file`, N encoded images of any sizes; `mask` uint8 [N,H,W] or
`mask_file`, unless the bundle's mask is fixed; and `sketch` or `sketch_file` where the bundle takes lines. It gets
`filled` uint8 [N,H,W,3] or `filled_file`, N PNG files in the kind of their originals, or both.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime import Inpainter, InpaintrtError
from ...runtime.errors import ImageError
from ...runtime.images import DecodedImage, check_pixels, decode_image, decode_mask, encode_png

Arrays = Mapping[str, NDArray[Any]]

PLANES = ("mask", "sketch")


@dataclass
class _Job:
    """One image of one request, decoded."""

    image: DecodedImage
    planes: dict[str, NDArray[Any]]
    filled: NDArray[np.uint8] | None = None


def answer(
    inpainter: Inpainter, requests: Sequence[Arrays], wanted: Sequence[Sequence[str]], max_pixels: int
) -> list[dict[str, NDArray[Any]] | InpaintrtError]:
    """Fill the images of several requests, those of one size together.

    Args:
        inpainter: of the bundle.
        requests: the inputs of each, by name.
        wanted: the outputs that each asks for, of `filled` and `filled_file`.
        max_pixels: larger images are refused, files before they are decoded.

    Returns:
        For each request its outputs by name, or the error to tell it; a wrong request does not touch the others.
    """
    decoded: list[list[_Job] | InpaintrtError] = []
    for request in requests:
        try:
            decoded.append(_jobs(request, max_pixels))
        except InpaintrtError as error:
            decoded.append(error)
    jobs = [job for found in decoded if isinstance(found, list) for job in found]
    failures = _fill(inpainter, jobs)
    return [
        found if isinstance(found, InpaintrtError) else _answer_one(found, failures, names)
        for found, names in zip(decoded, wanted, strict=True)
    ]


def _answer_one(
    jobs: Sequence[_Job], failures: Mapping[int, InpaintrtError], names: Sequence[str]
) -> dict[str, NDArray[Any]] | InpaintrtError:
    for job in jobs:
        if id(job) in failures:
            return failures[id(job)]
    try:
        return _outputs(jobs, names)
    except InpaintrtError as error:
        return error


def _jobs(request: Arrays, max_pixels: int) -> list[_Job]:
    images = _images(request, max_pixels)
    planes: dict[str, list[NDArray[Any]]] = {
        name: found for name in PLANES if (found := _planes(request, name, len(images), max_pixels)) is not None
    }
    return [_Job(image, {name: plane[n] for name, plane in planes.items()}) for n, image in enumerate(images)]


def _images(request: Arrays, max_pixels: int) -> list[DecodedImage]:
    files = _either(request, "image")
    if files is not None:
        return [decode_image(content, f"image_file {n}", max_pixels) for n, content in enumerate(files)]
    image = request.get("image")
    if image is None:
        raise ImageError("the request holds no image; send image, uint8 [N,H,W,3], or image_file, encoded images")
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[3] != 3 or 0 in image.shape:
        raise ImageError(f"image is {image.dtype} {list(image.shape)}; expected uint8 [N,H,W,3], RGB, not empty")
    check_pixels("image", image.shape[2], image.shape[1], max_pixels)
    return [DecodedImage(rgb, None, False, {}) for rgb in image]


def _planes(request: Arrays, name: str, count: int, max_pixels: int) -> list[NDArray[Any]] | None:
    """The masks or sketches of the images, one each; None where the request holds none."""
    files = _either(request, name)
    if files is not None:
        found = [decode_mask(content, f"{name}_file {n}", max_pixels) for n, content in enumerate(files)]
    elif name in request:
        found = list(request[name])
    else:
        return None
    if len(found) != count:
        raise ImageError(f"the request holds {count} images and {len(found)} of {name}; send one for each image")
    return found


def _either(request: Arrays, name: str) -> list[bytes] | None:
    """The encoded files of `name`, if the request holds these and not the array."""
    files = request.get(f"{name}_file")
    if files is None:
        return None
    if name in request:
        raise ImageError(f"the request holds both {name} and {name}_file; send one of them")
    return [bytes(content) for content in files.reshape(-1)]


def _fill(inpainter: Inpainter, jobs: Sequence[_Job]) -> dict[int, InpaintrtError]:
    """Fill jobs in place, those of one size in one call; the errors, by the job's identity."""
    groups: dict[tuple[Any, ...], list[_Job]] = defaultdict(list)
    for job in jobs:
        key = (job.image.rgb.shape, *((name, plane.shape, str(plane.dtype)) for name, plane in job.planes.items()))
        groups[key].append(job)
    failures: dict[int, InpaintrtError] = {}
    for group in groups.values():
        images = np.stack([job.image.rgb for job in group])
        mask, sketch = (
            np.stack([job.planes[name] for job in group]) if name in group[0].planes else None for name in PLANES
        )
        try:
            filled = inpainter(images, mask, sketch=sketch)
        except InpaintrtError as error:
            failures |= {id(job): error for job in group}
        else:
            for job, result in zip(group, filled, strict=True):
                job.filled = result
    return failures


def _outputs(jobs: Sequence[_Job], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    results = [job.filled for job in jobs if job.filled is not None]
    outputs: dict[str, NDArray[Any]] = {}
    if "filled" in names:
        sizes = {result.shape for result in results}
        if len(sizes) > 1:
            raise ImageError("images of different sizes do not fit one array; ask for filled_file only")
        outputs["filled"] = np.stack(results)
    if "filled_file" in names:
        files = [encode_png(result, job.image) for result, job in zip(results, jobs, strict=True)]
        outputs["filled_file"] = np.array(files, dtype=np.object_).reshape(-1, 1)
    return outputs
