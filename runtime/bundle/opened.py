"""`Bundle`: an opened bundle and its files."""

import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from ..errors import BundleError
from .document import DOCUMENT, SCHEMA_VERSION, Artifact, DeployedInterface
from .parsing import parse_document


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: where it is, and what `Document` says. Its files are checked when they are used, by `file`."""

    path: Path
    source: dict[str, Any]
    network: dict[str, Any]
    interface: DeployedInterface
    artifacts: tuple[Artifact, ...]

    @classmethod
    def open(cls, path: str | Path) -> "Bundle":
        """Read `bundle.json`.

        Raises:
            BundleError: if there is none, it is malformed, or of another schema version.
        """
        path = Path(path)
        document = path / DOCUMENT
        if not path.is_dir():
            kind = "is a file; a bundle is a directory" if path.exists() else "no such bundle; export-onnx makes one"
            raise BundleError(f"{path}: {kind}")
        try:
            content = document.read_bytes()
        except FileNotFoundError:
            raise BundleError(f"{path}: is not a bundle, it holds no {DOCUMENT}; export-onnx makes one") from None
        except OSError as error:
            raise BundleError(f"{document}: cannot be read: {error.strerror}") from None
        read = parse_document(path, content)
        return cls(path, read.source, read.network, read.interface, read.artifacts)

    def to_document(self) -> dict[str, Any]:
        """The content of `bundle.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "created_by": f"inpaintrt {package_version('inpaintrt')}",
            "source": self.source,
            "network": self.network,
            "interface": asdict(self.interface),
            "artifacts": [
                {key: value for key, value in asdict(artifact).items() if value not in (None, {})}
                for artifact in self.artifacts
            ],
        }

    def precisions(self) -> tuple[str, ...]:
        """The precisions of the ONNX models."""
        return tuple(str(artifact.precision) for artifact in self.artifacts if artifact.kind == "onnx")

    def onnx(self, precision: str) -> Artifact:
        """The ONNX artifact of a precision.

        Raises:
            BundleError: naming the precisions there are.
        """
        for artifact in self.artifacts:
            if artifact.kind == "onnx" and artifact.precision == precision:
                return artifact
        there = ", ".join(self.precisions()) or "none"
        raise BundleError(f"{self.path}: holds no {precision} ONNX model (it holds: {there}); export it again")

    def fixed_mask(self) -> Artifact | None:
        """The mask of a bundle that was exported for one mask only, and that takes none."""
        return next((artifact for artifact in self.artifacts if artifact.kind == "mask"), None)

    def engines(self) -> list[Artifact]:
        """The engine artifacts."""
        return [artifact for artifact in self.artifacts if artifact.kind == "engine"]

    def file(self, artifact: Artifact) -> bytes:
        """The content of an artifact, checked.

        Raises:
            BundleError: if the file is missing or its sha256 is not the recorded one.
        """
        path = self.path / artifact.path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}; build it again") from None
        found = hashlib.sha256(content).hexdigest()
        if found != artifact.sha256:
            raise BundleError(
                f"{path}: was altered or is damaged: its sha256 is {found[:12]}..., {DOCUMENT} said "
                f"{artifact.sha256[:12]}... when it was opened; if it was exported meanwhile, open it again"
            )
        return content
