"""From models in memory to a bundle on disk, written in one step."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version as package_version
from pathlib import Path

import onnx
import onnx_ir as ir
import torch

from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.bundle import Artifact, Bundle, DeployedInterface, Precision
from inpaintrt.runtime.errors import BundleError, NetworkError
from inpaintrt.runtime.images import encode_mask

from .graph.ir_tools import infer_types
from .options import ExportOptions
from .report import ExportReport
from .source import Source, relative_record


def check_directory(output: Path) -> None:
    """Refuse a directory that cannot become a bundle, before any work.

    Raises:
        BundleError: if it is a file, or holds other files and is not a bundle.
    """
    if bundles.holds_foreign_files(output) and not (output / bundles.DOCUMENT).exists():
        raise BundleError(f"{output}: holds other files and is not a bundle; choose an empty or a new directory")
    if output.exists() and not output.is_dir():
        raise BundleError(f"{output}: is a file; a bundle is a directory")


def store(
    models: Mapping[Precision, ir.Model], source: Source, output: Path, options: ExportOptions, report: ExportReport
) -> Bundle:
    """Write the models, and the fixed mask if there is one; `report.costs` then have the sizes of the files.

    Raises:
        NetworkError: if a model is no valid ONNX.
        BundleError: if another process holds the bundle.
    """
    files: dict[str, bytes] = {}
    artifacts: list[Artifact] = []
    for precision, model in models.items():
        path = f"model.{precision}.onnx"
        files[path] = _serialise(model)
        report.costs[precision] = replace(report.costs[precision], bytes=len(files[path]))
        details = report.artifact_details(precision)
        artifacts.append(bundles.describe_file(files[path], path, "onnx", precision, details=details))
    if options.fixed_mask is not None:
        files[bundles.FIXED_MASK] = encode_mask(options.fixed_mask)
        artifacts.append(bundles.describe_file(files[bundles.FIXED_MASK], bundles.FIXED_MASK, "mask"))
    first = next(iter(models.values()))
    interface = DeployedInterface(
        io=options.io,
        size_multiple=source.interface.size_multiple,
        profile=options.profile,
        inputs=tuple(str(value.name) for value in first.graph.inputs),
        outputs=tuple(str(value.name) for value in first.graph.outputs),
        updated_mask_output=report.updated_mask_output,
    )
    record = relative_record({**source.record, "torch": torch.__version__}, output)
    return _commit(Bundle(output, record, source.interface.to_dict(), interface, tuple(artifacts)), files)


def _serialise(model: ir.Model) -> bytes:
    model = infer_types(model)
    model.producer_name, model.producer_version = "inpaintrt", package_version("inpaintrt")
    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(content, full_check=True)
    except Exception as error:  # the checker's own exceptions share no base
        raise NetworkError(f"the exported graph is invalid, a defect of inpaintrt: {error}") from error
    return content


def _commit(bundle: Bundle, contents: Mapping[str, bytes]) -> Bundle:
    """Write everything in one step; engines of models that did not change stay."""
    with contextlib.ExitStack() as stack:
        staged = {path: stack.enter_context(bundles.stage(bundle.path, path, data)) for path, data in contents.items()}
        stack.enter_context(bundles.lock(bundle.path))
        unchanged = {artifact.sha256 for artifact in bundle.artifacts}
        engines = [a for a in bundles.old_artifacts(bundle.path) if a.details.get("onnx_sha256") in unchanged]
        outdated = unchanged - {artifact.sha256 for artifact in bundles.old_artifacts(bundle.path)}
        bundle = replace(bundle, artifacts=(*bundle.artifacts, *engines))
        bundles.commit(bundle, staged)
        if outdated:  # a report on other models would be read as one on these
            bundles.discard_reports(bundle.path)
    return bundle
