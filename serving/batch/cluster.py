"""Ray on this machine or a cluster's, and how it runs the workers."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime.errors import BackendError
from ..extras import load_extra
from .worker import Worker, pack

OBJECT_STORE = 512 * 2**20
"""Bytes of Ray's object store on this machine; it holds the bundle, names and manifest rows, never images."""

RETRIES = 3
"""How often what a worker was at when it died is tried again: an image may be what kills it."""


STARTS = 3
"""How often Ray is started on this machine: on a busy one its helpers may miss a limit of 15 s, which cannot be set."""


@dataclass(frozen=True)
class BatchOptions:
    """How the workers run.

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


def load_ray() -> Any:
    """The module ray, with its Dataset.

    Raises:
        BackendError: saying how to install it.
    """
    return load_extra("ray", "ray", "ray.data")


def worker_options(ray: Any, bundle: str | Path, options: BatchOptions) -> dict[str, Any]:
    """What every `Worker` is made with; the bundle goes through Ray's object store once."""
    return {
        "packed": ray.put(pack(bundle)),
        "device": options.device,
        "threads": options.cpus_per_worker,
        "max_pixels": options.max_pixels,
    }


def on_workers(
    ray: Any,
    apply: Callable[..., Any],
    worker: type[Worker],
    arguments: dict[str, Any],
    options: BatchOptions,
    in_flight: int | None = None,
    **how: Any,
) -> Any:
    """What `apply`, a dataset's `map` or `map_batches`, gives: one that dies is started again, and its work done again.

    Args:
        arguments: of the worker's constructor.
        in_flight: blocks that wait for one worker, and die with it; None for what Ray Data finds best.
        how: other arguments of `apply`.
    """
    with warnings.catch_warnings():
        # Nothing else sets how often a task is tried, so what Ray says of `max_task_retries` helps nobody.
        warnings.simplefilter("ignore", DeprecationWarning)
        return apply(
            worker,
            fn_constructor_kwargs=arguments,
            compute=ray.data.ActorPoolStrategy(size=options.workers, max_tasks_in_flight_per_actor=in_flight),
            num_cpus=options.cpus_per_worker,
            num_gpus=options.gpus_per_worker,
            max_task_retries=RETRIES,
            **how,
        )


@contextlib.contextmanager
def running(ray: Any, options: BatchOptions) -> Iterator[None]:
    """Ray where `options.address` says, left with the block; where the process has started one, that one.

    Raises:
        BackendError: if it cannot be reached, or has not what the workers need.
    """
    if ray.is_initialized():
        _check_resources(ray, options)
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here: dict[str, Any] = {}
    if options.address is None:
        here = {
            "num_cpus": max(os.cpu_count() or 1, options.workers * options.cpus_per_worker),
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
        }
    for left in reversed(range(1 if options.address else STARTS)):
        try:
            ray.init(address=options.address or "local", log_to_driver=False, logging_level="ERROR", **here)
            break
        except Exception as error:  # Ray raises plain ones too
            ray.shutdown()
            if not left:
                what = f"be reached at {options.address}" if options.address else "be started on this machine"
                raise BackendError(f"Ray cannot {what}: {error}") from None
    try:
        _check_resources(ray, options)
        yield
    finally:
        ray.shutdown()


def quiet(ray: Any) -> None:
    """Ray Data shows no progress and no traces of its own, and goes on where a block is lost."""
    for name in ("ray.data", "ray.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1


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
