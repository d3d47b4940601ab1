"""Kills a training run at random moments, lets it end, and trains the same once more without.

::

    python -m tests.training.kills CONFIG FOLDER KILLS

Writes FOLDER/killed.ckpt and FOLDER/whole.ckpt. Runs are forked from this process, so none of them loads torch again.
"""

import multiprocessing
import random
import sys
import time
from pathlib import Path

import torch

from inpaintrt.training.config import TrainingConfig
from inpaintrt.training.recipe import train


def main(config: TrainingConfig, folder: Path, kills: int) -> int:
    """Kill and end a run; returns how many of the kills met a process that was still alive."""
    moments, alive = random.Random(0), 0
    begin = time.monotonic()
    train(config, folder / "whole.ckpt")
    whole = time.monotonic() - begin
    for _ in range(kills):
        process = multiprocessing.get_context("fork").Process(
            target=train, args=(config, folder / "killed.ckpt"), kwargs={"resume": True}
        )
        process.start()
        # From its first moments on; seldom so long that one of them ends.
        process.join(moments.random() * 1.2 * whole / max(kills, 6) + 0.05)
        alive += process.is_alive()
        process.kill()
        process.join()
    train(config, folder / "killed.ckpt", resume=True)
    return alive


if __name__ == "__main__":
    torch.set_num_threads(1)
    alive = main(TrainingConfig.load(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(f"killed {alive}\n")
