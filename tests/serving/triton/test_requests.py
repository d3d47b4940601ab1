"""What a Triton request gets, without Triton."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle, Inpainter, InpaintrtError
from inpaintrt.serving.triton.requests import answer
from tests.conftest import random_image
from tests.serving.browser import pixels, png

LIMIT = 10_000


@pytest.fixture(scope="module")
def inpainter(dynamic_bundle: Bundle) -> Iterator[Inpainter]:
    with Inpainter(dynamic_bundle.path, "cpu", threads=1) as opened:
        yield opened


def arrays(height: int, width: int, seed: int = 0, count: int = 1) -> dict[str, np.ndarray]:
    pairs = [random_image(height, width, seed + n) for n in range(count)]
    return {"image": np.stack([p[0] for p in pairs]), "mask": np.stack([p[1] for p in pairs]).astype(np.uint8)}


def files(height: int, width: int, seed: int = 0) -> dict[str, np.ndarray]:
    image, mask = random_image(height, width, seed)
    content = {"image_file": png(image), "mask_file": png((mask * 255).astype(np.uint8))}
    return {name: np.array([[value]], dtype=np.object_) for name, value in content.items()}


def test_mixed_requests_get_what_python_gives_and_equal_sizes_run_together(
    inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [arrays(40, 50), files(40, 50, seed=1), arrays(33, 70, seed=2, count=2), arrays(40, 50, seed=4)]
    wanted = [["filled"], ["filled_file"], ["filled", "filled_file"], ["filled"]]
    expected = [inpainter(*random_image(40, 50, 1)), *(inpainter(r["image"], r["mask"]) for r in requests[2:])]
    shapes: list[Any] = []
    call = Inpainter.__call__
    monkeypatch.setattr(Inpainter, "__call__", lambda *a, **k: shapes.append(a[1].shape) or call(*a, **k))
    answers = answer(inpainter, requests, wanted, LIMIT)
    assert sorted(shapes) == [(2, 33, 70, 3), (3, 40, 50, 3)] or sorted(shapes) == [
        (1, 40, 50, 3),
        (2, 33, 70, 3),
        (2, 40, 50, 3),
    ]
    assert all(isinstance(found, dict) for found in answers)
    assert [list(found) for found in answers] == wanted
    assert (pixels(answers[1]["filled_file"][0, 0]) == expected[0]).all()
    assert (answers[2]["filled"] == expected[1]).all()
    assert [(pixels(f) == e).all() for f, e in zip(answers[2]["filled_file"][:, 0], expected[1], strict=True)] == [1, 1]
    assert (answers[3]["filled"] == expected[2]).all()


def wrong_requests() -> dict[str, tuple[dict[str, np.ndarray], str]]:
    good, encoded = arrays(40, 50), files(40, 50)
    return {
        "nothing": ({}, "the request holds no image"),
        "both": (good | encoded, "holds both image and image_file"),
        "float": (good | {"image": good["image"].astype(np.float32)}, "image is float32 .*; expected uint8"),
        "empty": (good | {"image": good["image"][:, :0]}, "not empty"),
        "no mask": ({"image": good["image"]}, "no mask was given"),
        "small mask": (good | {"mask": good["mask"][:, :30]}, r"mask is \(1, 30, 50\), but the image needs"),
        "few masks": (arrays(8, 8, count=2) | {"mask": arrays(8, 8)["mask"]}, "holds 2 images and 1 of mask"),
        "sketch": (good | {"sketch": good["mask"]}, "takes no sketch"),
        "large": (arrays(101, 100), r"image: 100x101 is over the limit of 0\.01 megapixels"),
        "large file": (files(101, 100), r"image_file 0: 100x101 is over the limit of 0\.01 megapixels"),
        "no image": (encoded | {"image_file": np.array([[b"GIF89a"]], dtype=object)}, "image_file 0: is no"),
    }


@pytest.mark.parametrize("name", wrong_requests())
def test_a_wrong_request_is_told_and_its_neighbours_are_filled(inpainter: Inpainter, name: str) -> None:
    wrong, message = wrong_requests()[name]
    good = arrays(40, 50)
    answers = answer(inpainter, [good, wrong, good], [["filled"]] * 3, LIMIT)
    assert isinstance(answers[1], InpaintrtError)
    with pytest.raises(InpaintrtError, match=message):
        raise answers[1]
    for found in (answers[0], answers[2]):
        assert isinstance(found, dict)
        assert (found["filled"] == inpainter(good["image"], good["mask"])).all()


def test_files_of_different_sizes_do_not_fit_one_array(inpainter: Inpainter) -> None:
    both = {name: np.concatenate([files(40, 50)[name], files(33, 48)[name]]) for name in ("image_file", "mask_file")}
    as_files, as_array = answer(inpainter, [both, both], [["filled_file"], ["filled"]], LIMIT)
    assert isinstance(as_files, dict)
    assert [pixels(content).shape for content in as_files["filled_file"][:, 0]] == [(40, 50, 3), (33, 48, 3)]
    assert isinstance(as_array, InpaintrtError)
    assert "do not fit one array" in str(as_array)
