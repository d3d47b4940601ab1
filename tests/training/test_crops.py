"""Samples depend only on the seed and on their number."""

import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from inpaintrt.runtime.errors import UsageError
from inpaintrt.training.config import Stage
from inpaintrt.training.crops import MaskedCrops, batches
from inpaintrt.training.images import ImageStore
from inpaintrt.training.masks import MaskMix
from tests.training.conftest import make_config


def test_samples_depend_only_on_seed_and_number(store: ImageStore) -> None:
    first, again, other = (MaskedCrops(store, 32, (0, 10), seed, MaskMix()) for seed in (0, 0, 1))
    assert torch.equal(first[7][0], again[7][0])
    assert torch.equal(first[7][1], again[7][1])
    assert not torch.equal(first[7][0], other[7][0])
    later = MaskedCrops(store, 32, (5, 10), 0, MaskMix())
    assert len(later) == 5
    assert torch.equal(later[2][0], first[7][0])


def test_a_sample_is_an_image_and_what_is_known_of_it(store: ImageStore) -> None:
    image, mask = MaskedCrops(store, 32, (0, 10), 0, MaskMix())[3]
    assert image.shape == (3, 32, 32)
    assert mask.shape == (1, 32, 32)
    assert -1 <= image.min() < image.max() <= 1
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_crops_larger_than_every_image_are_refused(store: ImageStore) -> None:
    with pytest.raises(UsageError, match=r"crops of 48 pixels need an image .* largest of 3 has a short side of 40"):
        MaskedCrops(store, 48, (0, 1), 0, MaskMix())


def test_batches_begin_where_a_run_goes_on(store: ImageStore) -> None:
    stage = Stage(steps=4, crop=16, batch=2)
    config = make_config(store.paths[0].parent, stages=(stage,))
    with batches(config, store, stage, 0, 4, workers=0) as loader:
        whole = [image for image, _ in loader]
    with batches(config, store, stage, 2, 4, workers=1) as loader:
        rest = [image for image, _ in loader]
    assert (len(whole), len(rest)) == (4, 2)
    assert torch.equal(whole[2], rest[0])
    assert torch.equal(whole[3], rest[1])


def test_workers_end_although_they_ignore_signals(store: ImageStore) -> None:
    stage = Stage(steps=4, crop=16, batch=2)
    config = make_config(store.paths[0].parent, stages=(stage,))
    with pytest.raises(RuntimeError, match="stopped"), batches(config, store, stage, 0, 4, workers=1) as loader:
        next(loader)
        (worker,) = multiprocessing.active_children()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGTERM)
        next(loader)
        assert worker.is_alive()
        raise RuntimeError("stopped")
    assert not worker.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems leave it to PyTorch, which asks every 5 seconds")
def test_workers_end_with_a_run_that_is_killed(store: ImageStore) -> None:
    receiving, sending = multiprocessing.Pipe(duplex=False)
    run = multiprocessing.get_context("fork").Process(target=_stop_the_worker, args=(store, sending))
    run.start()
    worker: int = receiving.recv()
    run.kill()
    run.join()
    # Its status file stays readable while it exists; one that no parent waits for ends as a zombie or not at all.
    for _ in range(200):
        try:
            state = Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError(f"the worker is still there, in state {state}")


def _stop_the_worker(store: ImageStore, sending: Connection) -> None:
    stage = Stage(steps=4, crop=16, batch=2)
    with batches(make_config(store.paths[0].parent, stages=(stage,)), store, stage, 0, 4, workers=1) as loader:
        next(loader)
        (worker,) = multiprocessing.active_children()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)  # so it cannot ask whether the run is there
        sending.send(worker.pid)
        time.sleep(60)
