"""What the page's server answers, without a browser and without gradio."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import ImageError
from inpaintrt.serving.page.limits import Limits
from inpaintrt.serving.page.requests import VIEW_SIDE, PageRequests, view_size
from tests.conftest import random_image
from tests.serving.browser import encoded, pixels, png
from tests.serving.files import bad_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def requests(dynamic_bundle: Bundle, folder: Path) -> Iterator[PageRequests]:
    with Inpainter(dynamic_bundle.path, "cpu", threads=1) as inpainter:
        yield PageRequests({"small": inpainter}, folder, Limits(max_pixels=1_000_000, max_upload=400_000))


def upload(folder: Path, content: bytes, name: str) -> dict[str, Any]:
    path = folder / name
    path.write_bytes(content)
    return {"path": str(path), "name": name}


def test_a_painted_mask_fills_as_python_does(requests: PageRequests, folder: Path, dynamic_bundle: Bundle) -> None:
    image, hole = random_image(50, 70)
    opened = requests.open_image(upload(folder, png(image), "a.png"))
    assert (opened["width"], opened["height"], opened["view_size"]) == (70, 50, [70, 50])
    mask = upload(folder, png((hole * 255).astype(np.uint8)), "mask.png")
    asked = {"image": opened["path"], "name": "a.png", "bundle": "small", "mask": mask["path"], "painted": True}
    answer = requests.fill(asked)
    with Inpainter(dynamic_bundle.path, "cpu") as inpainter:
        expected = inpainter(image, hole)
    assert (pixels(Path(answer["path"]).read_bytes()) == expected).all()
    assert (answer["name"], answer["backend"]) == ("a-filled.png", "onnxruntime-cpu fp32")
    assert answer["hole_ratio"] == round(float(hole.mean()), 4)
    json.dumps(answer)  # what the browser gets
    # The result can be painted on: it is an image like any other.
    assert requests.fill(asked | {"image": answer["path"], "name": answer["name"]})["kind"] == "filled"


def test_transparency_and_grey_come_back(requests: PageRequests, folder: Path) -> None:
    image, hole = random_image(40, 48)
    rgba = np.dstack([image, image[..., 0]])
    mask = upload(folder, png((hole * 255).astype(np.uint8)), "mask.png")["path"]
    for name, values in {"rgba.png": rgba, "grey.png": image[..., 1]}.items():
        asked = upload(folder, png(values), name)
        answer = requests.fill({"image": asked["path"], "name": name, "bundle": "small", "mask": mask})
        back = pixels(Path(answer["path"]).read_bytes())
        assert back.shape == values.shape
        assert (back[~hole] == values[~hole]).all()
        if name == "rgba.png":
            assert (back[..., 3] == rgba[..., 3]).all()


def test_a_turned_image_is_painted_and_comes_back_upright(requests: PageRequests, folder: Path) -> None:
    image, hole = random_image(40, 60)
    exif = Image.Exif()
    exif[274] = 6  # a camera held upright: its pixels lie on their side
    lying = encoded(Image.fromarray(np.rot90(image)), "PNG", exif=exif)
    asked = upload(folder, lying, "phone.png")
    opened = requests.open_image(asked)
    assert (opened["width"], opened["height"], opened["view_size"]) == (60, 40, [60, 40])
    mask = upload(folder, png((hole * 255).astype(np.uint8)), "mask.png")["path"]
    answer = requests.fill({"image": asked["path"], "name": "phone.png", "bundle": "small", "mask": mask})
    with Image.open(answer["path"]) as result:
        assert result.getexif().get(274, 1) == 1
        assert (np.asarray(result)[~hole] == image[~hole]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 3 * VIEW_SIDE), (5_000, 2)])
def test_the_thinnest_images_are_filled(requests: PageRequests, folder: Path, size: tuple[int, int]) -> None:
    asked = upload(folder, png(np.full((*size, 3), 90, dtype=np.uint8)), "thin.png")
    opened = requests.open_image(asked)
    painted = np.full(opened["view_size"][::-1], 255, dtype=np.uint8)
    mask = upload(folder, png(painted), "mask.png")["path"]
    filling = {"image": asked["path"], "name": "thin.png", "bundle": "small", "mask": mask, "painted": True}
    assert pixels(Path(requests.fill(filling)["path"]).read_bytes()).shape == (*size, 3)


def test_a_mask_painted_on_the_view_of_a_large_image_is_scaled(requests: PageRequests, folder: Path) -> None:
    image = np.zeros((20, 3 * VIEW_SIDE, 3), dtype=np.uint8)
    opened = requests.open_image(upload(folder, png(image), "wide.png"))
    width, height = opened["view_size"]
    assert (width, height) == (VIEW_SIDE, 7) == view_size(3 * VIEW_SIDE, 20)
    assert pixels(Path(opened["view"]["path"]).read_bytes()).shape == (height, width, 3)
    painted = np.zeros((height, width), dtype=np.uint8)
    painted[:, 5:8] = 255
    mask = upload(folder, png(painted), "mask.png")["path"]
    asked = {"image": opened["path"], "name": "wide.png", "bundle": "small", "mask": mask}
    answer = requests.fill(asked | {"painted": True})
    changed = np.flatnonzero((pixels(Path(answer["path"]).read_bytes()) != image).any(axis=(0, 2)))
    assert (changed[0], changed[-1]) == (15, 23)
    with pytest.raises(ImageError, match=r"the mask: is 1600x7, but the image is 4800x20"):
        requests.fill(asked)


def test_a_mask_file_is_shown_and_must_have_the_size(requests: PageRequests, folder: Path) -> None:
    hole = random_image(30, 40)[1]
    asked = upload(folder, png((hole * 255).astype(np.uint8)), "holes.png")
    answer = requests.open_mask(asked | {"width": 40, "height": 30})
    assert ((pixels(Path(answer["view"]["path"]).read_bytes()) > 0) == hole).all()
    with pytest.raises(ImageError, match=r"holes\.png: is 40x30, but the image is 41x30; they must have one size"):
        requests.open_mask(asked | {"width": 41, "height": 30})


@pytest.mark.parametrize("name", bad_files())
def test_bad_files_are_said_in_words(requests: PageRequests, folder: Path, name: str) -> None:
    content, message = bad_files()[name]
    with pytest.raises(ImageError, match=message) as caught:
        requests.open_image(upload(folder, content, name))
    assert str(folder) not in str(caught.value)


def test_only_files_of_the_page_are_opened(requests: PageRequests, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(png(random_image(8, 8)[0]))
    (folder / "link.png").symlink_to(outside)
    for path in (outside, folder / ".." / "secret.png", folder / "link.png", None, 7, {"a": 1}):
        with pytest.raises(ImageError, match=r"secret\.png: was not uploaded here; choose it again"):
            requests.open_image({"path": path if path is None else str(path), "name": "../x/secret.png"})
    with pytest.raises(ImageError, match="is no longer on the server"):
        requests.open_image({"path": str(folder / "gone.png"), "name": "gone.png"})


def test_requests_that_no_page_sends_are_refused(requests: PageRequests, folder: Path) -> None:
    image = upload(folder, png(random_image(30, 40)[0]), "a.png")["path"]
    empty = upload(folder, png(np.zeros((30, 40), dtype=np.uint8)), "mask.png")["path"]
    big = upload(folder, bytes(400_001), "big.png")
    with pytest.raises(ImageError, match="no bundle is called 'other'"):
        requests.fill({"image": image, "name": "a.png", "mask": empty, "bundle": "other"})
    with pytest.raises(ImageError, match="the mask has no hole"):
        requests.fill({"image": image, "name": "a.png", "mask": empty, "bundle": "small"})
    with pytest.raises(ImageError, match=r"big\.png: is larger than 0\.38147 MiB"):
        requests.open_image(big)
    with pytest.raises(ImageError, match="was not uploaded here"):
        requests.fill({"bundle": "small"})
