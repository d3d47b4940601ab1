"""Engines: real TensorRT-RTX builds on the CPU, and a store that never reuses or loses one wrongly."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inpaintrt.engines import build_engines
from inpaintrt.engines.targets import AHEAD_OF_TIME, compute_capability, parse_targets
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.backends.choice import find_engine
from inpaintrt.runtime.errors import BackendError, BundleError, EngineBuildError, UsageError
from tests.conftest import copy_bundle, export_checkpoint, make_network, run_and_kill

rtx = pytest.mark.skipif(
    subprocess.run(
        [sys.executable, "-c", "import tensorrt_rtx, polygraphy"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="tensorrt-rtx or polygraphy is not installed",
)


@pytest.mark.slow
@rtx
def test_engines_for_all_targets_are_built_without_a_gpu(bundle: Bundle) -> None:
    built = build_engines(bundle.path, target="all")
    assert [engine.artifact.target for engine in built] == list(AHEAD_OF_TIME)
    assert not any(engine.up_to_date for engine in built)
    stored = Bundle.open(bundle.path)
    assert len({engine.key for engine in stored.engines()}) == len(AHEAD_OF_TIME)
    for engine in stored.engines():
        assert len(stored.file(engine)) > 10_000
        assert engine.path.startswith(f"engines/tensorrt-rtx-{engine.backend_version}-{engine.target}-fp16-")


@pytest.mark.slow
@rtx
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_dynamic_and_batched_engines(dynamic_bundle: Bundle, tmp_path: Path, precision: str) -> None:
    bundle = copy_bundle(dynamic_bundle, tmp_path / "copy", Path("none"))
    assert build_engines(bundle.path, target="sm89", precisions=(precision,))[0].artifact.precision == precision


@rtx
def test_up_to_date_engines_are_not_built_again(bundle: Bundle) -> None:
    started: list[str] = []
    first = build_engines(bundle.path, target="sm89", on_start=started.append)
    again = build_engines(bundle.path, target="sm89", on_start=started.append)
    assert len(started) == 1
    assert again[0].up_to_date
    assert again[0].artifact == first[0].artifact


@rtx
def test_an_altered_or_missing_engine_is_built_again(bundle: Bundle) -> None:
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    path = bundle.path / engine.path
    for spoil in (lambda: path.write_bytes(b"x" + path.read_bytes()[1:]), path.unlink):
        spoil()
        assert not build_engines(bundle.path, target="sm89")[0].up_to_date
        Bundle.open(bundle.path).file(engine)


@pytest.mark.slow
@rtx
def test_engines_go_with_the_model_they_were_built_from(tmp_path: Path, checkpoint: Path) -> None:
    from inpaintrt.export.checkpoints import save_checkpoint

    bundle = export_checkpoint(checkpoint, tmp_path / "b")
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    export_checkpoint(checkpoint, tmp_path / "b")
    assert Bundle.open(bundle.path).engines() == [engine]  # the same export keeps its engines
    other = make_network(seed=1)
    save_checkpoint(tmp_path / "other.ckpt", other, other.interface())
    export_checkpoint(tmp_path / "other.ckpt", tmp_path / "b")
    assert Bundle.open(bundle.path).engines() == []
    assert not (bundle.path / engine.path).exists()


@rtx
def test_progress_reaches_the_end(bundle: Bundle) -> None:
    shares: list[float] = []
    build_engines(bundle.path, target="sm120", on_progress=shares.append)
    assert shares
    assert all(0 <= share <= 1 for share in shares)
    assert shares[-1] == 1
    assert len(shares) > 5


@pytest.mark.slow
@rtx
def test_two_builders_at_once_lose_nothing(bundle: Bundle) -> None:
    program = "import sys; from inpaintrt.engines import build_engines; build_engines(sys.argv[1], target=sys.argv[2])"
    targets = ["sm80,sm86", "sm86,sm89", "sm89,sm80"]
    processes = [subprocess.Popen([sys.executable, "-c", program, str(bundle.path), target]) for target in targets]
    assert [process.wait() for process in processes] == [0, 0, 0]
    stored = Bundle.open(bundle.path)
    assert sorted(str(engine.target) for engine in stored.engines()) == ["sm80", "sm86", "sm89"]
    for engine in stored.engines():
        stored.file(engine)
    assert not list(bundle.path.rglob(".partial-*"))


@rtx
@pytest.mark.parametrize("seconds", [0.25, 0.5, 0.75, 1.0])
def test_a_killed_builder_leaves_a_sound_bundle(bundle: Bundle, seconds: float) -> None:
    program = "import sys; from inpaintrt.engines import build_engines; build_engines(sys.argv[1], target='all')"
    run_and_kill(program, [str(bundle.path)], seconds)
    stored = Bundle.open(bundle.path)
    for artifact in stored.artifacts:
        stored.file(artifact)
    build_engines(bundle.path, target="sm89")
    assert not list(bundle.path.rglob(".partial-*"))


@rtx
def test_a_model_the_library_cannot_parse_is_reported_in_its_words(bundle: Bundle) -> None:
    import hashlib

    path = bundle.path / "model.fp16.onnx"
    path.write_bytes(b"no model")
    document = bundle.path / "bundle.json"
    values = json.loads(document.read_text())
    next(entry for entry in values["artifacts"] if entry["path"] == path.name)["sha256"] = hashlib.sha256(
        b"no model"
    ).hexdigest()
    document.write_text(json.dumps(values))
    with pytest.raises(EngineBuildError, match=r"tensorrt-rtx cannot build an engine for sm89: .*pars"):
        build_engines(bundle.path, target="sm89")


def test_an_altered_model_is_not_built_from(bundle: Bundle) -> None:
    path = bundle.path / "model.fp16.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises((BundleError, EngineBuildError), match=r"was altered|not installed"):
        build_engines(bundle.path, target="sm89")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"target": "sm99"}, "unknown sm99; known are local, sm75"),
        (
            {"target": "sm100"},
            r"unknown sm100; .*build with TensorRT on the machine that has it: build-",
        ),
        ({"target": ""}, "unknown ; known are"),
        ({"backend": "tensorrt", "target": "sm89"}, "builds only for the GPU of this machine, not for sm89"),
        ({"backend": "cuda", "target": "sm89"}, "--backend is auto, tensorrt or tensorrt-rtx, not 'cuda'"),
        ({"precisions": ("int8",), "target": "sm89"}, "--precision is fp16, fp32"),
    ],
)
def test_options_that_do_not_fit_are_refused(bundle: Bundle, options: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        build_engines(bundle.path, **options)


def test_targets() -> None:
    assert parse_targets("all") == ["sm75", "sm80", "sm86", "sm89", "sm120", "sm121"]
    assert parse_targets("sm89, local,sm89") == ["sm89", "local"]
    assert [compute_capability(target) for target in ("sm75", "sm89", "sm120", "sm121")] == [
        (7, 5),
        (8, 9),
        (12, 0),
        (12, 1),
    ]


def machine(monkeypatch: pytest.MonkeyPatch, target: str, version: str) -> None:
    """Pretend to be on a GPU machine."""
    from types import SimpleNamespace

    from inpaintrt.runtime.backends import choice

    monkeypatch.setattr(choice, "local_target", lambda _=0: target)
    monkeypatch.setattr(choice, "open_device", lambda _=0: SimpleNamespace(name="stand-in"))
    monkeypatch.setattr(choice, "load_library", lambda _: SimpleNamespace(__version__=version))


@rtx
def test_an_engine_for_another_gpu_or_version_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    stored = Bundle.open(bundle.path)
    machine(monkeypatch, "sm89", str(engine.backend_version))
    assert find_engine(stored, "tensorrt-rtx") == engine
    machine(monkeypatch, "sm86", str(engine.backend_version))
    with pytest.raises(
        BackendError, match=rf"its engines are for sm89 by version {engine.backend_version}; this machine has sm86"
    ):
        find_engine(stored, "tensorrt-rtx")
    machine(monkeypatch, "sm89", "99.0")
    with pytest.raises(BackendError, match=r"this machine has sm89 \(stand-in\) and version 99\.0; build-engines"):
        find_engine(stored, "tensorrt-rtx")


def test_local_target_without_a_gpu_says_what_to_do(bundle: Bundle) -> None:
    from inpaintrt.runtime.backends.gpu import local_target

    try:
        found = local_target()
    except BackendError:
        with pytest.raises(EngineBuildError, match=r"--target local: .*|is not installed"):
            build_engines(bundle.path, backend="tensorrt-rtx", target="local")
    else:
        pytest.skip(f"this machine has a GPU, {found}")
