"""For those who have a Ray Dataset already."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime import Bundle
from ...runtime.errors import UsageError
from .cluster import BatchOptions, load_ray, on_workers, worker_options
from .worker import ColumnWorker

if TYPE_CHECKING:
    import ray.data


def fill_dataset(
    dataset: "ray.data.Dataset",
    bundle: str | Path,
    *,
    image: str = "image",
    mask: str | None = "mask",
    workers: int = 1,
    cpus_per_worker: int = 1,
    gpus_per_worker: float = 0,
    device: str = "auto",
    max_pixels: int = 200_000_000,
) -> "ray.data.Dataset":
    """Fill the images of a dataset, lazily as all of Ray Data.

    ::

        filled = fill_dataset(ray.data.read_parquet("s3://bucket/images"), "places", workers=8)
        filled.write_parquet("s3://bucket/filled")

    Args:
        dataset: with a column of images, encoded files or uint8 [H,W,3], and one of masks, encoded files or uint8 or
            bool [H,W], non-zero = hole.
        bundle: where this program runs; its files go to the workers through Ray.
        image, mask: names of the columns; `mask` None if the bundle's mask is fixed.
        workers: actors with an `Inpainter` each.
        cpus_per_worker: CPU threads that each uses and reserves.
        gpus_per_worker: GPUs that each reserves; several may share one.
        device: as of `Inpainter`.
        max_pixels: larger encoded images become errors, before they are decoded.

    Returns:
        The other columns, and `filled` (PNG), `hole_ratio`, `backend`, `seconds` and `error`, which is empty where the
        image was filled. A row that cannot be filled has an empty `filled`; it stops nothing. One that kills its worker
        is tried four times, and then stops the job, unless `ray.data.DataContext` allows `max_errored_blocks`.

    Raises:
        BackendError: if ray is not installed.
        BundleError: if the bundle is missing, malformed or altered.
        UsageError: if the bundle's mask is fixed and a column is named, or the other way round.
    """
    ray = load_ray()
    if (Bundle.open(bundle).fixed_mask() is None) != (mask is not None):
        raise UsageError(f"{bundle}: mask=None is for a bundle that was exported with --fixed-mask, and only for that")
    options = BatchOptions(workers, cpus_per_worker, gpus_per_worker, device, max_pixels)
    columns = {"image": image, "mask": mask, **worker_options(ray, bundle, options)}
    return on_workers(ray, dataset.map, ColumnWorker, columns, options)
