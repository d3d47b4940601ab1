"""A Triton model repository from a bundle: written beside what a server may have loaded, and then renamed into place.

    repository/places/config.pbtxt              Python backend: images of any size, encoded or as arrays
    repository/places/1/model.py                takes its class from inpaintrt.serving.triton.backend
    repository/places/1/bundle/                 a copy of the bundle
    repository/places_engine/config.pbtxt       onnxruntime or tensorrt backend: the bare network
    repository/places_engine/1/model.onnx       or an engine for each compute capability

A new export is a new version: a server goes on with the old one until it is told to load the model again. The version
before is kept, older ones are removed.
"""

import hashlib
import json
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...runtime import Bundle
from ...runtime.bundle import Artifact
from ...runtime.errors import BundleError, UsageError
from .backend import BUNDLE
from .config import Placing, compute_capability, engine_config, engine_file, onnx_config, pipeline_config

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
KEPT_VERSIONS = 2
DIGEST = "inpaintrt.sha256"
"""Of a version's files: an export of the same bundle makes no new version."""

MODEL_PY = '''"""Written by export-triton."""

import site

for folder in {site_packages!r}:
    site.addsitedir(folder)
try:
    from inpaintrt.serving.triton.backend import TritonPythonModel
except ImportError as error:
    raise ImportError(
        f"the Python that Triton runs cannot import inpaintrt: {{error}}; install it there with pip, or export again "
        "with --site-packages"
    ) from error

__all__ = ["TritonPythonModel"]
'''


@dataclass(frozen=True)
class TritonOptions:
    """How the models run.

    Args:
        gpu: on each of the server's GPUs, or on the CPU.
        instances: copies of a model on each GPU, or on the CPU.
        queue_delay: microseconds that a request may wait for others to share its batch.
        max_pixels: larger images are refused.
        threads: CPU threads of each instance of the Python backend; 0 = all.
        engine: what the bare network runs on. `auto`: tensorrt where the bundle has its engines and `gpu` is set, else
            onnxruntime; `none` leaves the second model out.
        site_packages: folders of packages, on the server's machine, that its Python takes besides its own: it looks
            at neither PYTHONPATH nor virtual environments.
    """

    gpu: bool = False
    instances: int = 1
    queue_delay: int = 2000
    max_pixels: int = 50_000_000
    threads: int = 0
    engine: Literal["auto", "onnxruntime", "tensorrt", "none"] = "auto"
    site_packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportedModel:
    """A model of the repository, its newest version, and whether this export made it."""

    name: str
    version: int
    new: bool


def export_repository(
    bundle: str | Path, repository: str | Path, name: str | None = None, options: TritonOptions | None = None
) -> list[ExportedModel]:
    """Write the models `name` and `name_engine`.

    Args:
        bundle: exported with `--io image`.
        repository: Triton's model repository; made if it is missing. Other models in it stay as they are.
        name: of the models; the bundle's directory name unless given.
        options: how the models run.

    Raises:
        BundleError: if the bundle is malformed or altered, or holds no engine that Triton can run.
        UsageError: if the name or the repository cannot be used.
        OSError: if a file cannot be written.
    """
    opened, repository = Bundle.open(bundle), Path(repository)
    options = options or TritonOptions()
    name = name if name is not None else opened.path.resolve().name
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a Triton model; give one of letters, digits, _ . and - with --name"
        )
    if opened.interface.io != "image":
        raise UsageError(f"{bundle}: was exported with --io tensor; export it with --io image for Triton")
    for model in (name, f"{name}_engine"):
        folder = repository / model
        if folder.exists() and not (folder / "config.pbtxt").is_file():
            raise UsageError(f"{folder}: exists and is no Triton model; choose another --name or --output")
    if opened.path.resolve() == repository.resolve() or (repository / "bundle.json").exists():
        raise UsageError(f"{repository}: is a bundle; --output names a Triton model repository")
    placing = Placing(options.gpu, options.instances, options.queue_delay)
    planned = [(name, *_pipeline(opened, name, placing, options))]
    network = _network(opened, f"{name}_engine", placing, options)
    if network is not None:
        planned.append((f"{name}_engine", *network))
    return [_write_version(repository / model, config, files) for model, config, files in planned]


def _pipeline(bundle: Bundle, name: str, placing: Placing, options: TritonOptions) -> tuple[str, dict[str, bytes]]:
    """Configuration and files of the model on the Python backend."""
    files = {f"{BUNDLE}/{artifact.path}": bundle.file(artifact) for artifact in bundle.artifacts}
    files[f"{BUNDLE}/bundle.json"] = json.dumps(bundle.to_document(), indent=2).encode()
    files["model.py"] = MODEL_PY.format(site_packages=list(options.site_packages)).encode()
    return pipeline_config(bundle, name, placing, options.max_pixels, options.threads), files


def _network(
    bundle: Bundle, name: str, placing: Placing, options: TritonOptions
) -> tuple[str, dict[str, bytes]] | None:
    """Configuration and files of the bare network; None where it is left out."""
    engines = [engine for engine in bundle.engines() if engine.backend == "tensorrt"]
    use_engines = options.engine == "tensorrt" or (options.engine == "auto" and options.gpu and bool(engines))
    if options.engine == "none":
        return None
    if use_engines:
        chosen = _engine_of_each_target(bundle, engines)
        return engine_config(bundle, name, placing, chosen), {engine_file(e): bundle.file(e) for e in chosen}
    preferred = "fp16" if placing.gpu else "fp32"
    artifact = bundle.onnx(preferred if preferred in bundle.precisions() else (bundle.precisions() or ("fp32",))[0])
    return onnx_config(bundle, name, placing, artifact), {"model.onnx": bundle.file(artifact)}


def _engine_of_each_target(bundle: Bundle, engines: list[Artifact]) -> list[Artifact]:
    """FP16 before FP32, all of the newest TensorRT there is: a server has one."""
    if not engines:
        there = ", ".join(sorted({str(engine.backend) for engine in bundle.engines()})) or "none"
        raise BundleError(
            f"{bundle.path}: holds no engine for TensorRT (its engines: {there}; Triton cannot run tensorrt-rtx); "
            "build one with build-engines --backend tensorrt, or use --engine onnxruntime"
        )
    newest = max((str(engine.backend_version) for engine in engines), key=_version_order)
    of_target: dict[str, Artifact] = {}
    for engine in sorted(engines, key=lambda engine: str(engine.precision)):
        if engine.backend_version == newest:
            of_target.setdefault(compute_capability(engine), engine)
    return list(of_target.values())


def _version_order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _write_version(folder: Path, config: str, files: dict[str, bytes]) -> ExportedModel:
    """Make `files` the newest version of the model in `folder`, unless they already are."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    versions = sorted(int(entry.name) for entry in _entries(folder) if entry.name.isdigit())
    newest = versions[-1] if versions else 0
    new = not newest or _digest_of(folder / str(newest)) != digest.hexdigest()
    if new:
        # A name that is no number is no version, so a server never sees half of one.
        staged = folder / f".partial-{uuid.uuid4().hex}"
        try:
            for path, content in {**files, DIGEST: digest.hexdigest().encode()}.items():
                (staged / path).parent.mkdir(parents=True, exist_ok=True)
                (staged / path).write_bytes(content)
            newest += 1
            staged.rename(folder / str(newest))
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    _replace_text(folder / "config.pbtxt", config)
    for version in versions[: len(versions) - (KEPT_VERSIONS - new)]:
        shutil.rmtree(folder / str(version), ignore_errors=True)
    return ExportedModel(folder.name, newest, new)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _digest_of(version: Path) -> str:
    path = version / DIGEST
    return path.read_text("utf-8") if path.is_file() else ""


def _replace_text(path: Path, text: str) -> None:
    staged = path.with_name(f".partial-{uuid.uuid4().hex}")
    try:
        staged.write_text(text, "utf-8")
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
