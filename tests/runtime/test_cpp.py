"""The C++ runtime: built as a newcomer would, its own tests, and its bytes against those of the Python runtime."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import ImageError, InpaintrtError, UsageError
from inpaintrt.runtime.window_sizes import Choice
from inpaintrt.validation.cases.masks import mask_corpus
from tests.conftest import random_image
from tests.guided import Guided
from tests.runtime import c_interface, cpp_build

EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp_runtime"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, its tests and its programs, built outside the source tree, once for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cpp"
    with FileLock(f"{folder}.lock"):
        try:
            cpp_build.build(folder)  # the second worker finds nothing left to do
        except cpp_build.CannotBuildError as reason:
            pytest.skip(str(reason))
    return folder


@pytest.fixture(scope="module")
def library(built: Path) -> c_interface.Library:
    return c_interface.Library(built / "libinpaintrt.so")


def test_its_own_tests(built: Path, tmp_path: Path) -> None:
    cpp_build.make_bundles(tmp_path)
    output = cpp_build.run_tests(built, tmp_path)
    assert "100% tests passed" in output
    assert "names no folder" not in output  # the reason tests without bundles are skipped for


def test_same_bytes_as_python_on_the_mask_corpus(
    library: c_interface.Library, shared_bundle: Bundle, dynamic_bundle: Bundle
) -> None:
    for bundle, height, width in (
        (shared_bundle, 64, 64),
        (dynamic_bundle, 96, 64),
        (dynamic_bundle, 51, 77),
        (dynamic_bundle, 130, 205),
    ):
        with Inpainter(bundle.path, device="cpu") as python, library.open(bundle.path, "cpu") as cpp:
            for seed, case in enumerate(mask_corpus(height, width)):
                image, _ = random_image(height, width, seed)
                same = (python(image, case.hole) == cpp(image, case.hole)).all()
                assert same, (bundle.path.name, height, width, case.name)


def test_same_bytes_on_other_pitches_and_batches(library: c_interface.Library, dynamic_bundle: Bundle) -> None:
    with Inpainter(dynamic_bundle.path, device="cpu") as python, library.open(dynamic_bundle.path, "cpu") as cpp:
        large, holes = random_image(90, 120)
        image, hole = large[7:60, 11:92], holes[7:60, 11:92]
        out = np.zeros((70, 100, 3), np.uint8)
        cpp.run([(image, hole.view(np.uint8), out[3:56, 5:86])])
        assert (out[3:56, 5:86] == python(image, hole)).all()
        assert out[:3].max() == out[56:].max() == out[:, :5].max() == out[:, 86:].max() == 0
        pairs = [random_image(40, 48, seed) for seed in range(7)]
        images, masks = (np.stack(part) for part in zip(*pairs, strict=True))
        masks[3] = False
        assert (python(images, masks) == cpp(images, masks)).all()


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_same_bytes_upscaled(library: c_interface.Library, dynamic_bundle: Bundle, factor: int) -> None:
    image, _ = random_image(20, 33)
    with Inpainter(dynamic_bundle.path, device="cpu") as python, library.open(dynamic_bundle.path, "cpu") as cpp:
        assert (cpp.upscale(image, factor) == python.upscale(image, factor)).all()
        for refused in (python.upscale, cpp.upscale):
            with pytest.raises((ImageError, c_interface.CError), match="an image is enlarged by 2 or more, not by 1"):
                refused(image, 1)


@pytest.mark.parametrize("window", ["auto", "whole", 64])
def test_same_bytes_in_windows(library: c_interface.Library, dynamic_bundle: Bundle, window: Choice) -> None:
    number = window if isinstance(window, int) else c_interface.WINDOWS[window]
    far_apart, wide, along = (np.zeros(shape, np.bool_) for shape in ((300, 400), (300, 400), (150, 900)))
    far_apart[20:30, 30:50] = far_apart[40:44, 60:63] = far_apart[250:262, 350:360] = True
    wide[70:270, 90:310] = wide[5, 5] = True  # wider than any window
    wide[100:102] = True
    along[20:110] = True  # a band that is wide and long
    for seed, hole in enumerate((far_apart, wide, along, far_apart[:90, :90])):
        image, _ = random_image(*hole.shape, seed)
        opened = Inpainter(dynamic_bundle.path, device="cpu", window=window)
        with opened as python, library.open(dynamic_bundle.path, "cpu", window=number) as cpp:
            if window == "whole" and len(hole) > 96:
                with pytest.raises(ImageError) as wrong:
                    python(image, hole)
                with pytest.raises(c_interface.CError, match=str(wrong.value)):
                    cpp(image, hole)
            else:
                filled = python(image, hole)
                assert (cpp(image, hole) == filled).all()
                assert (filled[~hole] == image[~hole]).all()


def test_windows_that_no_network_takes_are_refused(library: c_interface.Library, dynamic_bundle: Bundle) -> None:
    with pytest.raises(UsageError) as wrong:
        Inpainter(dynamic_bundle.path, device="cpu", window=100)
    with pytest.raises(c_interface.CError) as wrong_in_cpp:
        library.open(dynamic_bundle.path, "cpu", window=100)
    assert wrong_in_cpp.value.code == c_interface.INVALID_ARGUMENT
    assert str(wrong_in_cpp.value) == str(wrong.value)


def test_same_bytes_with_a_fixed_mask(library: c_interface.Library, network: PConvUNet, tmp_path: Path) -> None:
    interface = network.interface(image_range=(-1.0, 1.0))
    export_onnx(network, tmp_path, interface=interface, batch=(1, 2, 3), fixed_mask=cpp_build.logo())
    images = np.stack([random_image(45, 70, seed)[0] for seed in range(4)])
    with Inpainter(tmp_path, device="cpu") as python, library.open(tmp_path, "cpu") as cpp:
        assert (python(images) == cpp(images)).all()
        for image, mask in ((images[0], cpp_build.logo()), (images[0, :40], None)):
            with pytest.raises(ImageError) as wrong:
                python(image, mask)
            with pytest.raises(c_interface.CError) as wrong_in_cpp:
                cpp(image, mask)
            assert wrong_in_cpp.value.code == c_interface.IMAGE_ERROR
            assert str(wrong_in_cpp.value) == str(wrong.value)


def test_same_bytes_with_a_sketch(library: c_interface.Library, tmp_path: Path) -> None:
    interface = Interface(sketch=True, size_multiple=8)
    export_onnx(Guided(), tmp_path, interface=interface, dynamic=(32, 64, 96), batch=(1, 2, 3))
    with Inpainter(tmp_path, device="cpu") as python, library.open(tmp_path, "cpu") as cpp:
        for height, width in ((64, 64), (51, 77), (130, 205), (250, 240)):  # as it is, padded, in windows, smaller
            pairs = [random_image(height, width, seed) for seed in range(4)]
            images, masks = (np.stack(part) for part in zip(*pairs, strict=True))
            masks[0, height // 5 : height // 5 * 4, width // 5 : width // 5 * 4] = True
            lines = np.roll(masks, 1, axis=2)
            expected = python(images, masks, sketch=lines)
            assert (cpp(images, masks, sketch=lines) == expected).all()
            assert (cpp(images, masks) == python(images, masks)).all()
            assert (cpp(images, masks) != expected).any()
    fixed = tmp_path / "fixed"
    export_onnx(Guided(), fixed, interface=interface, fixed_mask=cpp_build.logo())
    image, lines = random_image(45, 70)
    with Inpainter(fixed, device="cpu") as python, library.open(fixed, "cpu") as cpp:
        assert (cpp(image, sketch=lines) == python(image, sketch=lines)).all()
        assert (cpp(image, sketch=lines) != cpp(image)).any()


def test_same_choice_and_words_as_python(library: c_interface.Library, shared_bundle: Bundle) -> None:
    with Inpainter(shared_bundle.path) as python, library.open(shared_bundle.path) as cpp:
        assert cpp.backend.startswith(python.backend.name)
        for name, _ in python.backend.rejected:
            assert f"no {name}: " in cpp.backend
        first, second = python.backend.rejected[:2]
        assert f"no {first[0]}: {first[1]}; no {second[0]}: {second[1]}" in cpp.backend


@pytest.mark.parametrize("name", ["none", "empty", "altered", "version", "outside", "sketch"])
def test_same_refusals_as_python(library: c_interface.Library, bundle: Bundle, name: str) -> None:
    document = bundle.path / "bundle.json"
    path = bundle.path
    if name == "none":
        path = bundle.path / "none"
    elif name == "empty":
        document.unlink()
    elif name == "altered":
        model = bundle.path / "model.fp32.onnx"
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1
        model.write_bytes(content)
    elif name == "version":
        document.write_text(document.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    elif name == "sketch":
        document.write_text(document.read_text().replace('"sketch": false', '"sketch": true'))
    else:
        document.write_text(document.read_text().replace('"model.fp32.onnx"', '"../model.fp32.onnx"'))
    with pytest.raises(InpaintrtError) as python:
        Inpainter(path, device="cpu")
    with pytest.raises(c_interface.CError) as cpp:
        library.open(path, "cpu")
    assert cpp.value.code == c_interface.BUNDLE_ERROR
    assert _without_quotes(str(cpp.value)) == _without_quotes(str(python.value))


def _without_quotes(words: str) -> str:
    """JSON and Python quote texts in their own ways."""
    return words.replace('"', "").replace("'", "")


def test_threads_with_clones(library: c_interface.Library, dynamic_bundle: Bundle) -> None:
    pairs = [random_image(40 + 8 * (seed % 3), 64, seed) for seed in range(32)]
    with Inpainter(dynamic_bundle.path, device="cpu") as python, library.open(dynamic_bundle.path, "cpu") as cpp:
        expected = [python(*pair) for pair in pairs]

        def fill(index: int) -> bool:
            with cpp.clone() as clone:
                return bool((clone(*pairs[index]) == expected[index]).all())

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(fill, range(len(pairs))))


def test_an_installed_library_is_found_by_a_new_project(built: Path, shared_bundle: Bundle, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    _check("cmake", "--install", built, "--prefix", prefix)
    folder = tmp_path / "build"
    _check("cmake", "-S", EXAMPLE, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}")
    _check("cmake", "--build", folder)
    told = _check(folder / "example", shared_bundle.path)
    assert "onnxruntime-c" in told
    assert "filled: " in told
    failed = cpp_build.run(folder / "example", tmp_path / "none")
    assert failed.returncode == 1
    assert "none" in failed.stdout


def test_the_plugin_fills_all_or_nothing(built: Path, dynamic_bundle: Bundle) -> None:
    program = built / "examples" / "inpaintrt-plugin"
    output = _check(program, dynamic_bundle.path, "200")
    assert "filled 100 %" in output
    assert output.splitlines()[-1] == "done; the image changed"
    for pause in (0, 3, 10, 30):
        finished = cpp_build.run(program, dynamic_bundle.path, "200", str(pause))
        last = {0: "done; the image changed", 3: "cancelled; the image is unchanged"}
        assert finished.stdout.splitlines()[-1] == last[finished.returncode]


def test_only_the_interface_is_visible(built: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("needs nm, to list symbols")
    listed = _check("nm", "-D", "--defined-only", built / "libinpaintrt.so")
    symbols = [line.split()[-1] for line in listed.splitlines()]
    assert "inpaintrt_open" in symbols
    inside = [symbol for symbol in symbols if "inpaintrt6detail" in symbol or "nlohmann" in symbol]
    assert inside == []


@pytest.fixture(scope="module")
def program(built: Path) -> Path:
    path = built / "examples" / "inpaintrt-cli"
    if not path.exists():
        pytest.skip(f"inpaintrt-cli was left out: libpng or TurboJPEG is missing ({cpp_build.HOW_TO_MEND})")
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_program_fills_an_image_as_the_command_does(
    program: Path, shared_bundle: Bundle, tmp_path: Path, suffix: str
) -> None:
    image, hole = random_image(90, 70)
    image_file, mask, out = tmp_path / f"image{suffix}", tmp_path / "mask.png", tmp_path / "out.png"
    Image.fromarray(image).save(image_file)
    Image.fromarray(hole.astype(np.uint8) * 255).save(mask)
    _check(program, shared_bundle.path, image_file, mask, out)
    with Inpainter(shared_bundle.path, device="cpu") as python:
        assert (np.array(Image.open(out)) == python(np.array(Image.open(image_file)), hole)).all()
    finished = cpp_build.run(program, shared_bundle.path, image_file, tmp_path / "none.png", out)
    assert finished.returncode == 2
    assert finished.stdout.splitlines()[-1] == f"error: {tmp_path / 'none.png'}: cannot be opened"


def test_the_program_takes_a_sketch(program: Path, shared_bundle: Bundle, tmp_path: Path) -> None:
    interface = Interface(sketch=True, size_multiple=8)
    export_onnx(Guided(), tmp_path / "guided", interface=interface, dynamic=(32, 64, 96))
    image, hole = random_image(90, 70)
    planes = {"image": image, "mask": hole, "lines": np.roll(hole, 1, axis=1)}
    for name, pixels in planes.items():
        Image.fromarray(pixels if name == "image" else pixels.astype(np.uint8) * 255).save(tmp_path / f"{name}.png")
    image_file, mask, lines = (tmp_path / f"{name}.png" for name in planes)
    out = tmp_path / "out.png"
    with Inpainter(tmp_path / "guided", device="cpu") as python:
        _check(program, "--sketch", lines, tmp_path / "guided", image_file, mask, out)
        assert (np.array(Image.open(out)) == python(image, hole, sketch=planes["lines"])).all()
        _check(program, tmp_path / "guided", image_file, mask, out)
        assert (np.array(Image.open(out)) == python(image, hole)).all()
        assert (python(image, hole) != python(image, hole, sketch=planes["lines"])).any()
    for command, words in (
        ((shared_bundle.path, image_file, mask, out, "--sketch", lines), "this bundle's network takes no sketch"),
        ((shared_bundle.path, image_file, mask, out, "--sketch"), "usage: inpaintrt-cli [--sketch LINES] BUNDLE IMAGE"),
    ):
        finished = cpp_build.run(program, *command)
        assert finished.returncode == 2
        assert finished.stdout.splitlines()[-1].startswith(f"error: {words}")


def _check(*command: str | Path) -> str:
    """Run a command that must succeed; its output."""
    finished = cpp_build.run(*command)
    assert finished.returncode == 0, finished.stdout
    return finished.stdout
