"""Two small bundles of different weights, for the server's environment, which has no PyTorch: `... bundles DIR`."""

import sys
from pathlib import Path

from inpaintrt.export import export_onnx
from tests.conftest import make_network


def main(folder: Path) -> None:
    """32 to 96 pixels, batches of 1 to 3; left alone where they are there."""
    for seed, name in enumerate(("first", "second")):
        network = make_network(seed)
        if not (folder / name).exists():
            export_onnx(
                network, folder / name, interface=network.interface(image_range=(-1.0, 1.0)),
                dynamic=(32, 64, 96), batch=(1, 2, 3),
            )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
