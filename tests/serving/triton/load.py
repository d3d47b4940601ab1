"""Seconds that Triton needs for a folder of images: `... load BUNDLE FOLDER CLIENTS`, where Triton and its client are.

It ends with the seconds, on standard output. FOLDER holds images/NAME.png and masks/NAME.png.
"""

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tritonclient import http

from tests.serving.triton.server import export, triton_server


def main(bundle: Path, folder: Path, clients: int) -> None:
    """Export, start the server, and ask for every image."""
    local = threading.local()
    with tempfile.TemporaryDirectory() as place:
        export(bundle, Path(place) / "repository")
        with triton_server(Path(place) / "repository", Path(place), "places") as server:

            def ask(image: Path) -> None:
                if not hasattr(local, "client"):
                    local.client = http.InferenceServerClient(server.http)
                tensors = []
                for name, path in (("image_file", image), ("mask_file", folder / "masks" / image.name)):
                    tensors.append(http.InferInput(name, [1, 1], "BYTES"))
                    tensors[-1].set_data_from_numpy(np.array([[path.read_bytes()]], dtype=np.object_))
                local.client.infer("places", tensors, outputs=[http.InferRequestedOutput("filled_file")])

            images = sorted((folder / "images").iterdir())
            ask(images[0])
            start = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(ask, images))
            sys.stdout.write(f"{time.perf_counter() - start}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
