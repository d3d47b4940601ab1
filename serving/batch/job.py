"""The job: pair images with masks, fill what is not done yet, and tell in the manifest what became of each image."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...runtime import Bundle, Inpainter
from ...runtime.errors import BackendError, UsageError
from .cluster import RETRIES, BatchOptions, load_ray, on_workers, quiet, running, worker_options
from .manifest import Manifest
from .storage import FILLED, Storage, below, is_file, is_inside, list_files, partial_files
from .worker import FileWorker, Row

BLOCK = 16
"""Images a worker takes at a time; at most so many are done again for each worker that dies."""

BLOCKS = 2048
"""Blocks that Ray gets at a time: it keeps about 40 KiB for each, whatever is in it."""


@dataclass
class BatchResult:
    """What became of the images: how many were filled now, were done before, and could not be filled."""

    filled: int = 0
    done_before: int = 0
    failed: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    """The first few failures, by name; the manifest has all."""


FEW = 20
"""Failures that a `BatchResult` tells."""


def run_batch(
    bundle: str | Path,
    images: str,
    masks: str | None,
    output: str,
    options: BatchOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BatchResult:
    """Fill the images of a folder into another, on this machine or a cluster; run again, it does what is missing.

    Args:
        bundle: where this program runs; its files go to the workers through Ray.
        images: URI or path of a folder; images in folders below it are found too.
        masks: URI or path of a folder with a mask of each image's name, any suffix; or of one mask for all; None if the
            bundle's mask is fixed.
        output: URI or path of a folder, for `filled/NAME.png` and `manifest/*.parquet`.
        options: how the job runs. In a process that has started Ray, that Ray is used.
        progress: called with the images that are done and all that are to be done.

    Raises:
        BundleError: if the bundle is missing, malformed or altered.
        UsageError: if addresses cannot be opened or do not fit, or the output holds results of another bundle.
        BackendError: if Ray is missing, or the cluster has not what the workers need.
    """
    options = options or BatchOptions()
    ray = load_ray()
    bundle_hash = _check(bundle, images, masks, output)
    names = list_files(images)
    if not names:
        raise UsageError(f"{images}: holds no images")
    if options.address is None and not ray.is_initialized():
        Inpainter(
            bundle, options.device, options.cpus_per_worker
        ).close()  # tells in a second what workers tell in many
    manifest = Manifest(output, bundle_hash)
    kept = _done(manifest, output)
    done = kept.keys() & names.keys()
    pairs, unpaired = _pairs({name: names[name] for name in names.keys() - done}, masks)
    result = BatchResult(done_before=len(done))
    manifest.restart(kept.values())
    try:
        _take(manifest, result, unpaired)
        if pairs:
            storage = Storage(images, masks, output)
            with partial_files(output), running(ray, options):
                _run(ray, pairs, storage, bundle, options, manifest, result, progress)
    finally:
        manifest.flush()  # also where the user stops the job
    return result


def _check(bundle: str | Path, images: str, masks: str | None, output: str) -> str:
    """Refuse what does not fit together; the hash of the bundle."""
    opened = Bundle.open(bundle)
    if (opened.fixed_mask() is None) != (masks is not None):
        needs = "takes no masks, its own is fixed" if masks is not None else "needs masks"
        raise UsageError(f"{bundle}: {needs}; {'leave out' if masks is not None else 'give'} --masks")
    if is_inside(output, images) or (masks is not None and is_inside(output, masks)):
        raise UsageError(f"--output {output} is a folder of inputs, or in one; choose another")
    if masks is not None and is_inside(masks, images):
        raise UsageError(f"--masks {masks} is in --images {images}, so masks would be filled too; move it out")
    return hashlib.sha256((opened.path / "bundle.json").read_bytes()).hexdigest()[:16]


def _done(manifest: Manifest, output: str) -> dict[str, Row]:
    """The rows of what the manifest tells was filled, and what is there."""
    rows = manifest.read()
    if others := {row["bundle"] for row in rows.values()} - {manifest.bundle}:
        raise UsageError(f"{output}: holds results of another bundle ({', '.join(sorted(others))}); choose another")
    there = list_files(below(output, FILLED)) if rows else {}
    return {name: row for name, row in rows.items() if not row["error"] and name in there}


def _pairs(names: dict[str, str], masks: str | None) -> tuple[list[tuple[str, str, str]], list[Row]]:
    """Name, image and mask of each image, and the rows of those without a mask."""
    if masks is None or is_file(masks):
        return [(name, image, "") for name, image in sorted(names.items())], []
    there = list_files(masks)
    if not there:
        raise UsageError(f"{masks}: holds no masks")
    pairs = [(name, image, there[name]) for name, image in sorted(names.items()) if name in there]
    missing = [name for name in sorted(names) if name not in there]
    if names and not pairs:
        raise UsageError(f"{masks}: holds no mask of any image's name, such as {missing[0]}")
    return pairs, [_failure(name, f"there is no mask of this name in {masks}") for name in missing]


def _failure(name: str, error: str) -> Row:
    return {"name": name, "hole_ratio": float("nan"), "backend": "", "seconds": 0.0, "error": error}


def _take(manifest: Manifest, result: BatchResult, rows: list[Row]) -> None:
    manifest.add(rows)
    for row in rows:
        if not row["error"]:
            result.filled += 1
            continue
        result.failed += 1
        if len(result.errors) < FEW:
            result.errors[row["name"]] = row["error"]


def _run(
    ray: Any,
    pairs: list[tuple[str, str, str]],
    storage: Storage,
    bundle: str | Path,
    options: BatchOptions,
    manifest: Manifest,
    result: BatchResult,
    progress: Callable[[int, int], None],
) -> None:
    """Fill pairs, and tell the manifest of each once."""
    worker = {"storage": storage, **worker_options(ray, bundle, options)}
    quiet(ray)
    total = len(pairs) + result.failed
    # An image that kills its worker takes its block with it, and the blocks that wait there: the second time, each of
    # these images is a block, and waits for no other.
    for size, in_flight in ((BLOCK, None), (1, 1)):
        left = {name for name, _, _ in pairs}
        for start in range(0, len(pairs), size * BLOCKS):
            for rows in _filled(ray, pairs[start : start + size * BLOCKS], size, worker, options, in_flight):
                left -= {row["name"] for row in rows}
                _take(manifest, result, rows)
                progress(result.filled + result.failed, total)
        pairs = [pair for pair in pairs if pair[0] in left]
    died = f"its worker died {RETRIES + 1} times; look at it, or give workers more memory"
    _take(manifest, result, [_failure(name, died) for name, _, _ in pairs])


def _filled(
    ray: Any,
    pairs: list[tuple[str, str, str]],
    size: int,
    worker: dict[str, Any],
    options: BatchOptions,
    in_flight: int | None,
) -> Iterator[list[Row]]:
    """The manifest rows of pairs, as workers finish blocks of `size`, each once."""
    import pyarrow as pa

    columns = ("name", "image", "mask")
    blocks = [
        pa.table({column: [pair[n] for pair in pairs[start : start + size]] for n, column in enumerate(columns)})
        for start in range(0, len(pairs), size)
    ]
    apply = ray.data.from_arrow(blocks).map_batches
    filled = on_workers(
        ray, apply, FileWorker, worker, options, in_flight, batch_size=None, batch_format="numpy"
    )  # fmt: skip
    try:
        for table in filled.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield table.to_pylist()
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BackendError(f"Ray stopped the job: {reason}; run it again, what is done stays") from None
