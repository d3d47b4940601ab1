"""Pairs, manifest and files of the batch job, without a Ray cluster."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs ray; pip install -e '.[ray]'")

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError, UsageError
from inpaintrt.serving.batch import BatchOptions, job, manifest, run_batch
from inpaintrt.serving.batch.manifest import Manifest
from inpaintrt.serving.batch.storage import Storage, below, list_files, write_whole
from inpaintrt.serving.batch.worker import ColumnWorker, FileWorker, pack
from tests.conftest import random_image
from tests.serving.browser import pixels, png

OPTIONS: dict[str, Any] = {"device": "cpu", "threads": 1, "max_pixels": 10_000}


@pytest.fixture(autouse=True)
def no_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.get", lambda value: value)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seed in {"a": 0, "deep/a": 1}.items():
        image, mask = random_image(40, 50, seed)
        put(tmp_path / f"images/{name}.png", png(image))
        put(tmp_path / f"masks/{name}.webp", png((mask * 255).astype(np.uint8)))
    return tmp_path


def test_a_worker_writes_what_python_gives_and_tells_what_it_cannot(dynamic_bundle: Bundle, folder: Path) -> None:
    large = random_image(101, 100)
    put(folder / "images/large.png", png(large[0]))
    put(folder / "masks/large.png", png((large[1] * 255).astype(np.uint8)))
    put(folder / "images/small.png", png(random_image(8, 8)[0]))
    put(folder / "masks/small.png", png(np.ones((9, 9), dtype=np.uint8)))
    put(folder / "images/empty.png", b"")
    storage = Storage(str(folder / "images"), str(folder / "masks"), str(folder / "out"))
    worker = FileWorker(storage, packed=pack(dynamic_bundle.path), **OPTIONS)
    files = {
        "a": ("a.png", "a.webp"), "deep/a": ("deep/a.png", "deep/a.webp"), "gone": ("gone.png", "a.webp"),
        "large": ("large.png", "large.png"), "small": ("small.png", "small.png"), "empty": ("empty.png", "a.webp"),
    }  # fmt: skip
    rows = worker({
        "name": np.array(list(files), dtype=object),
        "image": np.array([image for image, _ in files.values()], dtype=object),
        "mask": np.array([mask for _, mask in files.values()], dtype=object),
    })  # fmt: skip
    errors = dict(zip(rows["name"], rows["error"], strict=True))
    assert errors["a"] == errors["deep/a"] == ""
    assert errors["gone"].startswith("gone.png: cannot be read")
    assert errors["large"] == "large.png: 100x101 is over the limit of 0.01 megapixels"
    assert errors["small"] == "mask of small.png: is 9x9, but the image is 8x8"
    assert errors["empty"] == "empty.png: is empty"
    image, mask = random_image(40, 50, 1)
    with Inpainter(dynamic_bundle.path, "cpu", 1) as inpainter:
        assert (pixels((folder / "out/filled/deep/a.png").read_bytes()) == inpainter(image, mask)).all()
    assert rows["hole_ratio"][1] == pytest.approx(mask.mean())
    assert rows["backend"][1] == "onnxruntime-cpu fp32"
    assert {str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.*")} == {
        "filled/a.png",
        "filled/deep/a.png",
    }


def test_columns_may_hold_files_or_arrays(dynamic_bundle: Bundle) -> None:
    worker = ColumnWorker("picture", "hole", packed=pack(dynamic_bundle.path), **OPTIONS)
    image, mask = random_image(40, 50)
    with Inpainter(dynamic_bundle.path, "cpu", 1) as inpainter:
        expected = inpainter(image, mask)
    encoded = worker({"id": 1, "picture": png(image), "hole": png((mask * 255).astype(np.uint8))})
    raw = worker({"id": 2, "picture": image, "hole": mask})
    wrong = worker({"id": 3, "picture": b"GIF89a", "hole": mask})
    for row in (encoded, raw):
        assert (pixels(row["filled"]) == expected).all()
        assert (row["error"], set(row)) == ("", {"id", "filled", "hole_ratio", "backend", "seconds", "error"})
    assert (wrong["filled"], wrong["id"]) == (b"", 3)
    assert "is not an image of a known format" in wrong["error"]


def row(name: str, error: str = "") -> dict[str, Any]:
    return {"name": name, "hole_ratio": 0.5, "backend": "x", "seconds": 1.0, "error": error}


def test_the_manifest_keeps_what_is_done_and_there(tmp_path: Path) -> None:
    output = str(tmp_path)
    first = Manifest(output, "abc")
    first.add([row("done"), row("failed", "why"), row("lost")])
    first.flush()
    write_whole(output, "filled/done.png", b"x")
    again = Manifest(output, "abc")
    kept = job._done(again, output)
    assert set(kept) == {"done"}
    again.restart(kept.values())
    again.add([row("failed")])
    again.flush()
    rows = Manifest(output, "abc").read()
    assert {name: (found["error"], found["bundle"]) for name, found in rows.items()} == {
        "done": ("", "abc"),
        "failed": ("", "abc"),
    }
    with pytest.raises(UsageError, match=r"holds results of another bundle \(abc\); choose another"):
        job._done(Manifest(output, "other"), output)


def test_the_newest_part_is_on_the_disk_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PART_ROWS", 4)
    monkeypatch.setattr(manifest, "FLUSH_SECONDS", -1.0)
    growing = Manifest(str(tmp_path), "abc")
    for number in range(10):
        growing.add([row(str(number))])
        assert set(Manifest(str(tmp_path), "abc").read()) == {str(n) for n in range(number + 1)}
    assert len(list((tmp_path / "manifest").iterdir())) == 3


def test_addresses_that_do_not_fit_are_refused_before_ray_starts(
    folder: Path, dynamic_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    images, masks, out = (str(folder / name) for name in ("images", "masks", "out"))

    def run(images: str = images, masks: str | None = masks, output: str = out) -> None:
        run_batch(dynamic_bundle.path, images, masks, output)

    with pytest.raises(UsageError, match="needs masks; give --masks"):
        run(masks=None)
    with pytest.raises(UsageError, match="nowhere: holds no images"):
        run(images=str(folder / "nowhere"))
    with pytest.raises(UsageError, match="nowhere: holds no masks"):
        run(masks=str(folder / "nowhere"))
    for inside in (images, masks, f"{images}/out", f"{folder}/x/../images/out"):
        with pytest.raises(UsageError, match="is a folder of inputs, or in one; choose another"):
            run(output=inside)
    with pytest.raises(BackendError, match="no backend can run it with device cuda"):
        run_batch(dynamic_bundle.path, images, masks, out, BatchOptions(device="cuda"))
    with pytest.raises(UsageError, match=r"--masks .* is in --images .*; move it out"):
        run(images=str(folder), output=f"{folder}-out")
    with pytest.raises(UsageError, match="ftp://host/x: cannot be opened"):
        run(images="ftp://host/x")
    put(folder / "images/a.jpg", b"x")
    with pytest.raises(UsageError, match=r"a\.(png|jpg) and a\.(png|jpg) have one name"):
        run()


def test_images_without_masks_are_told_and_one_mask_may_be_for_all(folder: Path) -> None:
    put(folder / "images/lonely.png", b"x")
    names = list_files(str(folder / "images"))
    assert names == {"a": "a.png", "deep/a": "deep/a.png", "lonely": "lonely.png"}
    pairs, missing = job._pairs(names, str(folder / "masks"))
    assert pairs == [("a", "a.png", "a.webp"), ("deep/a", "deep/a.png", "deep/a.webp")]
    assert [(found["name"], found["error"]) for found in missing] == [
        ("lonely", f"there is no mask of this name in {folder / 'masks'}")
    ]
    pairs, missing = job._pairs(names, str(folder / "masks/a.webp"))
    assert (len(pairs), missing) == (3, [])
    storage = Storage(str(folder / "images"), str(folder / "masks/a.webp"), str(folder))
    assert storage.read_mask(pairs[2][2]) == (folder / "masks/a.webp").read_bytes()


def test_options_of_an_address_stay() -> None:
    assert below("s3://bucket/out/?endpoint_override=host:9000", "filled") == (
        "s3://bucket/out/filled?endpoint_override=host:9000"
    )
    assert below("gs://bucket", "filled") == "gs://bucket/filled"
    assert below("what?/out", "filled") == "what?/out/filled"
