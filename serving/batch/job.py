"""The job: pair images with masks, fill what is not done yet, and tell in the manifest what became of each image."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...runtime import Bundle
from ...runtime.errors import BackendError, UsageError
from .dataset import actors, load_ray, worker_options
from .manifest import Manifest
from .storage import FILLED, Storage, is_file, list_files, partial_files
from .worker import FileWorker, Row

BLOCK = 16
"""Images a worker takes at a time; at most so many are done again for each worker that dies."""

OBJECT_STORE = 512 * 2**20
"""Bytes of Ray's object store on this machine; it holds the bundle, names and manifest rows, never images."""


@dataclass(frozen=True)
class BatchOptions:
    """How the job runs.

    Args:
        workers: actors with an `Inpainter` each.
        cpus_per_worker: CPU threads that each uses and reserves.
        gpus_per_worker: GPUs that each reserves; several may share one.
        device: as of `Inpainter`.
        max_pixels: larger images become errors, before they are decoded.
        address: of a Ray cluster, such as `auto` or `ray://host:10001`; None for this machine.
    """

    workers: int = 1
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0
    device: str = "auto"
    max_pixels: int = 200_000_000
    address: str | None = None


@dataclass
class BatchResult:
    """What became of the images: how many were filled now, were done before, and could not be filled."""

    filled: int = 0
    done_before: int = 0
    failed: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    """The first few failures, by name; the manifest has all."""


FEW = 20


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
    bundle_hash = _check(bundle, images, masks, output)
    names = list_files(images)
    if not names:
        raise UsageError(f"{images}: holds no images")
    ray = load_ray()
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
            with partial_files(output), _cluster(ray, options):
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
    if "://" not in output and Path(output).resolve() in {Path(uri).resolve() for uri in (images, masks or images)}:
        raise UsageError(f"--output {output} is a folder of inputs; choose another")
    return hashlib.sha256((opened.path / "bundle.json").read_bytes()).hexdigest()[:16]


def _done(manifest: Manifest, output: str) -> dict[str, Row]:
    """The rows of what the manifest tells was filled, and what is there."""
    rows = manifest.read()
    if others := {row["bundle"] for row in rows.values()} - {manifest.bundle}:
        raise UsageError(f"{output}: holds results of another bundle ({', '.join(sorted(others))}); choose another")
    there = list_files(f"{output}/{FILLED}") if rows else {}
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
    worker = {"storage": storage} | worker_options(
        ray, bundle, options.device, options.cpus_per_worker, options.max_pixels
    )
    total = len(pairs) + result.failed
    left = {name for name, _, _ in pairs}
    for rows in _filled(ray, pairs, worker, options):
        left -= {row["name"] for row in rows}
        _take(manifest, result, rows)
        progress(result.filled + result.failed, total)
    _take(manifest, result, [_failure(name, "Ray gave up on it; run the job again") for name in sorted(left)])


def _filled(
    ray: Any, pairs: list[tuple[str, str, str]], worker: dict[str, Any], options: BatchOptions
) -> Iterator[list[Row]]:
    """The manifest rows of pairs, as workers finish them, each once."""
    import pyarrow as pa

    for name in ("ray.data", "ray.core"):
        logging.getLogger(name).setLevel(logging.ERROR)  # the job tells its progress itself
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # such a block's images are told as failed
    columns = ("name", "image", "mask")
    blocks = [
        pa.table({column: [pair[n] for pair in pairs[start : start + BLOCK]] for n, column in enumerate(columns)})
        for start in range(0, len(pairs), BLOCK)
    ]
    dataset = ray.data.from_arrow(blocks).map_batches(
        FileWorker,
        batch_size=None,
        batch_format="numpy",
        fn_constructor_kwargs=worker,
        **actors(ray, options.workers, options.cpus_per_worker, options.gpus_per_worker),
    )
    try:
        for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield table.to_pylist()
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BackendError(f"Ray stopped the job: {reason}; run it again, what is done stays") from None


@contextlib.contextmanager
def _cluster(ray: Any, options: BatchOptions) -> Iterator[None]:
    """Ray on this machine or a cluster's, ended with the block; where the process has one already, that one."""
    if ray.is_initialized():
        _check_resources(ray, options)
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here: dict[str, Any] = {}
    if options.address is None:
        cpus = max(os.cpu_count() or 1, options.workers * options.cpus_per_worker)
        here = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    try:
        ray.init(address=options.address or "local", log_to_driver=False, logging_level="ERROR", **here)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BackendError(f"Ray cannot be reached at {options.address}: {error}") from None
    try:
        _check_resources(ray, options)
        yield
    finally:
        ray.shutdown()


def _check_resources(ray: Any, options: BatchOptions) -> None:
    """Refuse what would wait for ever: more than the cluster has."""
    there = ray.cluster_resources()
    for name, each in (("CPU", options.cpus_per_worker), ("GPU", options.gpus_per_worker)):
        needed = options.workers * each
        if needed > there.get(name, 0):
            raise BackendError(
                f"{options.workers} workers need {needed:g} {name}, but Ray has {there.get(name, 0):g}; "
                "use fewer workers or add nodes"
            )
