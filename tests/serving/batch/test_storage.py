"""A bucket as input and output, where there is an S3 server for tests: `S3_TEST_ENDPOINT=127.0.0.1:5000 pytest ...`."""

import os
import uuid
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs ray; pip install -e '.[ray]'")

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.serving.batch import job
from inpaintrt.serving.batch.manifest import Manifest
from inpaintrt.serving.batch.storage import Storage, below, is_file, is_inside, list_files, open_folder
from inpaintrt.serving.batch.worker import FileWorker, pack
from tests.conftest import random_image
from tests.serving.browser import pixels, png

Address = Callable[[str], str]


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Address:
    """The address of a path in a new bucket."""
    from pyarrow import fs

    if "S3_TEST_ENDPOINT" not in os.environ:
        pytest.skip("needs S3_TEST_ENDPOINT=HOST:PORT of an S3 server for tests, such as moto_server, without a login")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    endpoint, bucket = os.environ["S3_TEST_ENDPOINT"], uuid.uuid4().hex
    fs.S3FileSystem(allow_bucket_creation=True, endpoint_override=endpoint, scheme="http").create_dir(bucket)
    return lambda path: f"s3://{bucket}/{path}?scheme=http&endpoint_override={endpoint}"


def put(uri: str, content: bytes) -> None:
    filesystem, path = open_folder(uri)
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)


def test_a_bucket_is_read_and_written(
    address: Address, dynamic_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.get", lambda value: value)
    images, masks, output = (address(name) for name in ("images", "masks", "out"))
    originals = {name: random_image(40, 50, seed) for seed, name in enumerate(("a", "deep/a"))}
    for name, (image, mask) in originals.items():
        put(below(images, f"{name}.png"), png(image))
        put(below(masks, f"{name}.webp"), png((mask * 255).astype(np.uint8)))
    assert is_file(below(images, "a.png"))
    assert not is_file(images)
    assert is_inside(below(images, "deep"), images)
    assert list_files(address("none")) == {}

    pairs, missing = job._pairs(list_files(images), masks)
    assert missing == []
    worker = FileWorker(
        Storage(images, masks, output), packed=pack(dynamic_bundle.path), device="cpu", threads=1, max_pixels=10_000
    )
    columns = zip(*pairs, ("gone", "gone.png", "a.webp"), strict=True)
    told = worker(
        {name: np.array(values, dtype=object) for name, values in zip(("name", "image", "mask"), columns, strict=True)}
    )
    assert list(told["error"][:2]) == ["", ""]
    assert "gone.png: cannot be read" in told["error"][2]
    manifest = Manifest(output, "abc")
    manifest.add({key: told[key][n] for key in told} for n in range(3))
    manifest.flush()
    kept = job._done(Manifest(output, "abc"), output)
    assert set(kept) == set(originals)
    Manifest(output, "abc").restart(kept.values())
    assert set(Manifest(output, "abc").read()) == set(originals)
    with Inpainter(dynamic_bundle.path, "cpu", 1) as inpainter:
        for name, (image, mask) in originals.items():
            filesystem, path = open_folder(below(output, f"filled/{name}.png"))
            with filesystem.open_input_file(path) as file:
                assert (pixels(file.read()) == inpainter(image, mask)).all()
