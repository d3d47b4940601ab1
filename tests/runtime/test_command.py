"""`inpaint` as a user meets it: folders, and one line for each error."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from tests.commands import refused, run
from tests.conftest import random_image


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """image.png 20x20, mask.png of that size, small.png 10x10, text.png that is none, and an empty folder."""
    Image.new("RGB", (20, 20)).save(tmp_path / "image.png")
    Image.new("L", (20, 20), 255).save(tmp_path / "mask.png")
    Image.new("L", (10, 10)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("image", "mask", "output", "reason"),
    [
        ("none.png", "mask.png", "out.png", "none.png: no such file or folder"),
        ("image.png", "none.png", "out.png", "none.png: no such file or folder"),
        ("text.png", "mask.png", "out.png", "is not an image"),
        ("image.png", "text.png", "out.png", "is not an image"),
        ("image.png", "small.png", "out.png", "is 10x10, but"),
        ("image.png", "mask.png", "out.gif", "cannot write an image with suffix '.gif'"),
        ("image.png", "mask.png", "image.png", "would replace an input"),
        ("image.png", "mask.png", "no/such/folder/out.png", "does not exist"),
        ("image.png", "empty", "out.png", "is a folder, but"),
        ("empty", "mask.png", "out", "holds no images"),
    ],
)
def test_bad_images(shared_bundle: Bundle, images: Path, image: str, mask: str, output: str, reason: str) -> None:
    arguments = ("--image", images / image, "--mask", images / mask, "-o", images / output)
    assert reason in refused("inpaint", shared_bundle.path, *arguments)


def test_folders(shared_bundle: Bundle, tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        image, hole = random_image(30, 40, ord(name))
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.jpg")
        Image.fromarray(hole).save(tmp_path / "masks" / f"{name}.png")
    arguments = ("inpaint", shared_bundle.path, "--image", tmp_path / "images", "--mask", tmp_path / "masks")
    run(*arguments, "-o", tmp_path / "out", "--device", "cpu")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    assert "would replace" not in run(*arguments, "-o", tmp_path / "out", "--device", "cpu").stderr
    # One that cannot be filled does not keep the others from it.
    (tmp_path / "images" / "a.jpg").write_text("no image")
    (tmp_path / "out" / "b.png").unlink()
    done = run(*arguments, "-o", tmp_path / "out", "--device", "cpu", "--json", code=1)
    assert "a.jpg: is not an image of a known format" in done.stderr
    assert done.stderr.endswith("1 of 2 images could not be filled\n")
    found = json.loads(done.stdout)
    assert [Path(each["image"]).name for each in found["pictures"]] == ["b.jpg"]
    assert [Path(each["image"]).name for each in found["failed"]] == ["a.jpg"]
    assert (tmp_path / "out" / "b.png").exists()
    (tmp_path / "masks" / "b.png").unlink()
    assert "holds no mask for b.jpg" in refused(*arguments, "-o", tmp_path / "out")
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "a.png")
    assert "several images are called a" in refused(*arguments, "-o", tmp_path / "out")


def test_windows(dynamic_bundle: Bundle, tmp_path: Path) -> None:
    image, hole = random_image(150, 120)
    hole[:100] = False
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    files = ("--image", tmp_path / "image.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png")
    arguments = ("inpaint", dynamic_bundle.path, *files, "--device", "cpu", "--window")
    found = {}
    with Inpainter(dynamic_bundle.path, "cpu") as inpaint:
        for word, window in (("auto", None), ("64", 64)):
            run(*arguments, word)
            found[word] = np.array(Image.open(tmp_path / "out.png"))
            assert (found[word] == inpaint(image, hole, window=window)).all()
    assert (found["auto"] != found["64"]).any()
    assert "is 150 pixels high, but the network takes 96 as a whole" in refused(*arguments, "whole")
    assert "window is 97, but the network takes 32 to 96 pixels" in refused(*arguments, "97")
    assert "window is 'half'; expected auto, whole or a size" in refused(*arguments, "half")


def test_resume_fills_only_what_is_not_there(shared_bundle: Bundle, images: Path) -> None:
    folder, output = images / "folder", images / "out"
    folder.mkdir()
    output.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.png").write_bytes((images / "image.png").read_bytes())
    (output / "b.png").write_bytes(b"finished before")
    (output / ".partial-c.png").write_bytes(b"killed while it was written")
    arguments = (shared_bundle.path, "--image", folder, "--mask", images / "mask.png", "-o", output)
    done = run("inpaint", *arguments, "--device", "cpu", "--resume", "--json")
    found = json.loads(done.stdout)
    assert [Path(each["output"]).name for each in found["pictures"]] == ["a.png", "c.png"]
    assert found["skipped"] == 1
    assert "1 were already there" in done.stderr
    assert (output / "b.png").read_bytes() == b"finished before"
    assert Image.open(output / "c.png").size == (20, 20)
    again = run("inpaint", *arguments, "--device", "cpu", "--resume", "--json")
    assert json.loads(again.stdout)["skipped"] == 3


def test_images_of_a_folder_are_told_in_order(shared_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(12):
        # The first take longest, so that later ones are ready before them.
        image, hole = random_image(200 if number < 3 else 16, 200 if number < 3 else 16, number)
        Image.fromarray(image).save(tmp_path / "images" / f"{number:02}.png")
        Image.fromarray(hole).save(tmp_path / f"{number:02}.png")
    arguments = ("--image", tmp_path / "images", "--mask", tmp_path, "-o", tmp_path / "out", "--device", "cpu")
    found = json.loads(run("inpaint", shared_bundle.path, *arguments, "--json").stdout)
    assert [Path(each["image"]).stem for each in found["pictures"]] == [f"{number:02}" for number in range(12)]
    for entry in found["pictures"]:
        image, filled = (np.array(Image.open(entry[name])) for name in ("image", "output"))
        hole = np.array(Image.open(entry["mask"])) != 0
        assert (filled[~hole] == image[~hole]).all()


def test_device_cuda_where_there_is_none_says_why(shared_bundle: Bundle, images: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine runs CUDA")
    arguments = ("--image", images / "image.png", "--mask", images / "mask.png", "-o", images / "out.png")
    line = refused("inpaint", shared_bundle.path, *arguments, "--device", "cuda")
    assert "no backend can run it with device cuda" in line
    assert "no CUDAExecutionProvider" in line
