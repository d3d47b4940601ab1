"""Against a real Triton server, with Triton's own client: `make triton-check`.

The server and its client want another NumPy and another protobuf than the exporter, so they live in an environment of
their own. There is no PyTorch in it: two bundles of different weights are made before, in the project's environment.
"""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tritonclient", reason="needs an environment of its own; make triton-check runs it")
if "TRITON_BUNDLES" not in os.environ:
    pytest.skip("needs bundles; make triton-check makes them and runs it", allow_module_level=True)

from tritonclient import grpc, http

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.bundle import Artifact
from inpaintrt.serving.triton.config import Placing, engine_config
from tests.serving.browser import pixels, png
from tests.serving.files import bad_files
from tests.serving.triton.server import Server, export, triton_server

BUNDLES = Path(os.environ.get("TRITON_BUNDLES", "build/triton"))
CLIENTS, EACH = 8, 100
SIZES = ((40, 50), (64, 64), (33, 90), (130, 70), (8, 8))
"""Smaller than the network takes, as large as it takes, and larger."""

Modules = {"http": http, "grpc": grpc}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "repository"
    export(BUNDLES / "first", folder)
    return folder


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with triton_server(repository, tmp_path_factory.mktemp("server"), "places") as running:
        yield running


def image_and_mask(size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (1, *size, 3), dtype=np.uint8), (rng.random((1, *size)) < 0.3).astype(np.uint8)


def ask(protocol: str, client: Any, inputs: dict[str, np.ndarray], *wanted: str) -> list[np.ndarray]:
    module, tensors = Modules[protocol], []
    for name, values in inputs.items():
        kind = {"uint8": "UINT8", "float32": "FP32", "object": "BYTES"}[str(values.dtype)]
        tensor = module.InferInput(name, list(values.shape), kind)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    found = client.infer("places", tensors, outputs=[module.InferRequestedOutput(name) for name in wanted])
    return [found.as_numpy(name) for name in wanted]


def open_client(protocol: str, server: Server) -> Any:
    return Modules[protocol].InferenceServerClient(getattr(server, protocol))


def files(image: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    content = {"image_file": png(image[0]), "mask_file": png(mask[0] * 255)}
    return {name: np.array([[value]], dtype=np.object_) for name, value in content.items()}


@pytest.mark.parametrize("protocol", Modules)
def test_bytes_are_pythons(server: Server, protocol: str) -> None:
    with Inpainter(BUNDLES / "first", "cpu", 1) as inpainter, open_client(protocol, server) as client:
        for seed, size in enumerate(SIZES):
            image, mask = image_and_mask(size, seed)
            expected = inpainter(image, mask)
            filled, file = ask(protocol, client, {"image": image, "mask": mask}, "filled", "filled_file")
            assert (filled == expected).all()
            assert (pixels(file[0, 0]) == expected[0]).all()
            (file,) = ask(protocol, client, files(image, mask), "filled_file")
            assert (pixels(file[0, 0]) == expected[0]).all()


def test_eight_clients_lose_nothing(server: Server) -> None:
    requests = [image_and_mask(size, seed) for seed, size in enumerate(SIZES)]
    with Inpainter(BUNDLES / "first", "cpu", 1) as inpainter:
        expected = [inpainter(image, mask) for image, mask in requests]
    right, wrong = [], []

    def work(number: int) -> None:
        protocol = ("http", "grpc")[number % 2]
        with open_client(protocol, server) as client:
            for turn in range(EACH):
                which = (number + turn) % len(requests)
                image, mask = requests[which]
                encoded = turn % 3 == 0
                inputs = files(image, mask) if encoded else {"image": image, "mask": mask}
                try:
                    (found,) = ask(protocol, client, inputs, "filled_file" if encoded else "filled")
                    found = pixels(found[0, 0])[None] if encoded else found
                    (right if (found == expected[which]).all() else wrong).append((number, turn))
                except Exception as error:
                    wrong.append((number, turn, error))

    before = executed(server)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert len(set(right)) == CLIENTS * EACH
    runs = executed(server) - before
    assert runs < CLIENTS * EACH, "requests of one size must share a batch now and then"


def executed(server: Server) -> float:
    return metric(server, "nv_inference_exec_count")


def metric(server: Server, name: str) -> float:
    """The value of a metric of the model, as Triton gives it to Prometheus."""
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as page:
        lines = page.read().decode().splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f'{name}{{model="places"')), 0.0)


def wrong_requests() -> dict[str, tuple[dict[str, np.ndarray], str]]:
    image, mask = image_and_mask((40, 50), 0)
    good = {"image": image, "mask": mask}
    return {
        "no mask": ({"image": image}, "no mask was given"),
        "no image": ({"mask": mask}, "the request holds no image"),
        "two channels": (good | {"image": image[..., :2].copy()}, "unexpected shape for input 'image'"),
        "float": (good | {"image": image.astype(np.float32)}, "data-type is 'FP32'"),
        "small mask": (good | {"mask": mask[:, :30].copy()}, "but the image needs"),
        "empty batch": ({"image": image[:0], "mask": mask[:0]}, "mismatch|batch|empty|shape"),
        "empty image": ({"image": image[:, :0], "mask": mask[:, :0]}, "not empty"),
        "no file": (
            {"image_file": np.array([[b"GIF89a"]], dtype=object), "mask": mask},
            "is not an image of a known format",
        ),
        "large batch": ({"image": np.repeat(image, 99, 0), "mask": np.repeat(mask, 99, 0)}, "batch-size must be <= 3"),
        "both": (good | files(image, mask), "holds both image and image_file"),
    }


@pytest.mark.parametrize("protocol", Modules)
@pytest.mark.parametrize("name", wrong_requests())
def test_malformed_requests_are_errors_and_the_server_lives(server: Server, protocol: str, name: str) -> None:
    from tritonclient.utils import InferenceServerException

    inputs, message = wrong_requests()[name]
    with open_client(protocol, server) as client:
        with pytest.raises(InferenceServerException, match=message):
            ask(protocol, client, inputs, "filled")
        image, mask = image_and_mask((40, 50), 0)
        assert ask(protocol, client, {"image": image, "mask": mask}, "filled")[0].shape == image.shape
    assert server.process.poll() is None


def test_files_that_are_no_images_are_errors(server: Server) -> None:
    from tritonclient.utils import InferenceServerException

    image, mask = image_and_mask((40, 50), 0)
    with open_client("grpc", server) as client:
        for content, _ in bad_files().values():
            file = np.array([[content]], dtype=object)
            with pytest.raises(InferenceServerException, match=r"image_file 0: (is|has|holds|20000x15000 is over) "):
                ask("grpc", client, {"image_file": file, "mask": mask}, "filled_file")
        assert ask("grpc", client, {"image": image, "mask": mask}, "filled")[0].shape == image.shape


def raw_requests() -> dict[str, bytes]:
    """Bodies that no client sends; without a shape of 10^18 numbers in JSON, which ends Triton 2.51 itself."""

    def body(shape: list[Any], kind: str = "UINT8", data: Any = (), **more: Any) -> bytes:
        image = {"name": "image", "shape": shape, "datatype": kind, **more}
        return json.dumps({"inputs": [image if more else image | {"data": list(data)}]}).encode()

    return {
        "nothing": b"",
        "no json": b"\x89PNG\r\n\x1a\n" * 100,
        "no inputs": b"{}",
        "deep": b"[" * 100_000,
        "wrong type of inputs": b'{"inputs": 7}',
        "too little": body([1, 4, 4, 3], data=[0] * 5),
        "too much": body([1, 1, 1, 3], data=[0] * 50),
        "negative": body([1, -4, 4, 3], data=[0] * 48),
        "no number": body([1, "x", 4, 3], data=[0] * 48),
        "unknown type": body([1, 4, 4, 3], "UINT7", [0] * 48),
        "words": body([1, 1, 1, 3], data=["a", "b", "c"]),
        "too large": body([1, 1, 1, 3], data=[1000, -7, 0]),
        "missing memory": body(
            [1, 4, 4, 3], parameters={"shared_memory_region": "none", "shared_memory_byte_size": 48}
        ),
        "missing binary": body([1, 4, 4, 3], parameters={"binary_data_size": 48}),
    }


@pytest.mark.parametrize("name", raw_requests())
def test_bodies_that_no_client_sends_are_errors(server: Server, name: str) -> None:
    url, kind = f"http://{server.http}/v2/models/places/infer", {"Content-Type": "application/json"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, raw_requests()[name], kind), timeout=60)
    assert json.loads(caught.value.read())["error"]
    with open_client("http", server) as client:
        image, mask = image_and_mask((40, 50), 0)
        assert ask("http", client, {"image": image, "mask": mask}, "filled")[0].shape == image.shape


def test_a_new_export_is_served_when_the_model_is_loaded_again(server: Server, repository: Path) -> None:
    image, mask = image_and_mask((64, 64), 9)
    results = {}
    for bundle in ("first", "second"):
        with Inpainter(BUNDLES / bundle, "cpu", 1) as inpainter:
            results[bundle] = inpainter(image, mask)
    assert (results["first"] != results["second"]).any()
    with open_client("http", server) as client:
        assert (ask("http", client, {"image": image, "mask": mask}, "filled")[0] == results["first"]).all()
        export(BUNDLES / "second", repository)
        assert (ask("http", client, {"image": image, "mask": mask}, "filled")[0] == results["first"]).all()
        client.load_model("places")
        assert client.is_model_ready("places")
        assert (ask("http", client, {"image": image, "mask": mask}, "filled")[0] == results["second"]).all()
        client.unload_model("places")
        end = time.monotonic() + 30
        while client.is_model_ready("places"):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert client.is_server_live()
        export(BUNDLES / "first", repository)
        client.load_model("places")
        assert (ask("http", client, {"image": image, "mask": mask}, "filled")[0] == results["first"]).all()


def test_readiness_metrics_and_configuration(server: Server) -> None:
    with open_client("http", server) as client:
        assert client.is_server_live()
        assert client.is_model_ready("places")
        config = client.get_model_config("places")
    assert config["max_batch_size"] == 3
    assert "Fills holes of images of any size" in config["parameters"]["description"]["string_value"]
    assert metric(server, "nv_inference_request_success") > 0


def test_the_configuration_of_the_bare_network_is_valid(server: Server, repository: Path) -> None:
    """This server has no backend for it; it must get as far as looking for one."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2
    from tritonclient.utils import InferenceServerException

    text = (repository / "places_engine/config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 3)
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [("image", [-1, -1, 3]), ("mask", [-1, -1])]
    with open_client("http", server) as client, pytest.raises(InferenceServerException, match="unable to find backend"):
        client.load_model("places_engine")

    engines = [Artifact("e", "engine", "fp16", "0" * 64, 1, "tensorrt", "10.13", sm, "key") for sm in ("sm89", "sm120")]
    text = engine_config(Bundle.open(BUNDLES / "first"), "places_engine", Placing(True, 2, 100), engines)
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.backend, config.platform) == ("tensorrt", "tensorrt_plan")
    assert dict(config.cc_model_filenames) == {"8.9": "model.sm89.plan", "12.0": "model.sm120.plan"}
