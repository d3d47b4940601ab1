"""Whether training with FP16's rounding in the forward pass brings the FP16 result closer to the FP32 one.

::

    python -m benchmarks.rounding CHECKPOINT [--steps N]

Fine-tunes a checkpoint twice on the training photographs (`make photos`), with and without `round_to_half`, on the same
samples, and compares each network with itself under rounding on the held-out photographs. Results go to
`benchmarks/results/rounding.json`. About 10 minutes on two cores.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.export import RESULTS
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.training.config import Stage, TrainingConfig
from inpaintrt.training.evaluate import held_out_photos
from inpaintrt.training.recipe import train
from inpaintrt.training.rounding import HalfRounding
from inpaintrt.validation.cases.images import fit
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask
from inpaintrt.validation.judging.metrics import psnr

RECIPE = Path(__file__).parent.parent / "training" / "demo.yaml"
SIDE = 256


def difference(checkpoint: Path) -> dict[str, float]:
    """A network and itself under rounding, over held-out photographs and buckets: hole PSNR in dB (of all holes
    together), the largest difference in levels of 255, and the hole PSNR of both against the original."""
    loaded = load_checkpoint(checkpoint)
    network = TensorNetwork(loaded.network, loaded.interface)
    image_network = ImageNetwork(network)
    errors, originals, rounded_originals = [], [], []
    for photo in held_out_photos().values():
        original = fit(photo, SIDE, SIDE)
        for low, high in HOLE_RATIO_BUCKETS:
            hole = irregular_mask(SIDE, SIDE, (low, high), np.random.default_rng(0))
            inputs = image_network.prepare(
                torch.from_numpy(original)[None], torch.from_numpy(hole.astype(np.uint8))[None]
            )
            plain = image_network.picture(network(*inputs)[0])[0].detach().numpy()
            with HalfRounding():
                rounded = network(*inputs)[0]
            rounded = image_network.picture(rounded)[0].detach().numpy()
            errors.append((plain - rounded)[hole])
            originals.append((plain - original)[hole])
            rounded_originals.append((rounded - original)[hole])

    def decibels(parts: list[np.ndarray]) -> float:
        joined = np.concatenate(parts).astype(np.float64)
        return psnr(float((joined**2).sum()), joined.size)

    return {
        "psnr_to_itself": decibels(errors),
        "largest_difference": max(float(np.abs(part).max()) for part in errors),
        "psnr_fp32": decibels(originals),
        "psnr_rounded": decibels(rounded_originals),
    }


def main() -> None:
    """Fine-tune, measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    stage = Stage(steps=options.steps, learning_rate=1e-4, crop=128, batch=8, decay=True)
    recipe = replace(
        TrainingConfig.load(RECIPE), start_from=options.checkpoint, arguments={}, stages=(stage,), precision="32-true",
        ema_decay=0.9,
    )  # fmt: skip
    result = {"steps": options.steps, "before": difference(options.checkpoint)}
    with tempfile.TemporaryDirectory() as folder:
        for name, rounds in (("plain", False), ("rounded", True)):
            output = Path(folder) / f"{name}.ckpt"
            train(replace(recipe, round_to_half=rounds), output)
            result[f"fine-tuned {name}"] = difference(output)
    text = json.dumps(result, indent=2)
    (RESULTS / "rounding.json").write_text(text + "\n")
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
