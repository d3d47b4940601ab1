"""The bundle: the directory one stage hands to the next. `docs/bundle-format.md` is its specification.

`document` says what `bundle.json` holds, `parsing` checks one that may come from anywhere, `opened` is the `Bundle` of
an application, `commit` writes one so that a process killed at any moment leaves the old bundle or the new one.
"""

from .commit import LOCK, commit, discard_reports, holds_foreign_files, lock, old_artifacts, stage
from .document import (
    DOCUMENT,
    ENGINES,
    FIXED_MASK,
    REPORTS,
    SCHEMA_VERSION,
    Artifact,
    ArtifactKind,
    DeployedInterface,
    Precision,
    Profile,
    describe_file,
)  # fmt: skip
from .opened import Bundle

__all__ = [
    "DOCUMENT", "ENGINES", "FIXED_MASK", "LOCK", "REPORTS", "SCHEMA_VERSION", "Artifact", "ArtifactKind", "Bundle",
    "DeployedInterface", "Precision", "Profile", "commit", "describe_file", "discard_reports", "holds_foreign_files",
    "lock", "old_artifacts", "stage",
]  # fmt: skip
