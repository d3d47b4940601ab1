"""What is checked before the first network runs: arguments, what they name, and where results go."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import UsageError

from .cases.job import Plan
from .judging.baseline import Baseline, read_baseline


def check_files(junit: Path | None, html: bool, minutes: float) -> None:
    """What can be known without the bundle.

    Raises:
        UsageError: saying what was found, what was expected, and what to do.
    """
    if junit is not None:
        if junit.is_dir():
            raise UsageError(f"--junit {junit}: is a folder, expected a file such as {junit / 'junit.xml'}")
        if not junit.absolute().parent.is_dir():
            raise UsageError(f"--junit {junit}: the folder {junit.absolute().parent} does not exist; make it first")
    missing = [name for name in ("jinja2", "matplotlib") if html and find_spec(name) is None]
    if missing:
        raise UsageError(f"--html needs {' and '.join(missing)}: pip install -e '.[validation]'")
    if not minutes > 0:
        raise UsageError(f"--minutes {minutes:g}: expected more than 0")


def check_work(
    bundle: Bundle, plan: Plan, baseline: Path | None, *, drift: bool, gates: Sequence[str]
) -> Baseline | None:
    """What depends on the bundle; the baseline, if there is one.

    Raises:
        UsageError: as `check_files`; also if the baseline was measured on other cases, or no gate is called so.
        BundleError: if the bundle cannot be looked into for gates.
    """
    if drift and not {"fp32", "fp16"} <= set(bundle.precisions()):
        there = " and ".join(bundle.precisions()) or "no model"
        raise UsageError(
            f"--drift and --suggest compare FP16 with FP32, and {bundle.path} holds {there}; "
            "export it with --precision fp32,fp16"
        )
    if gates:
        from .reports.feature_maps import choose_gates  # only where it is asked for

        choose_gates(bundle, gates)
    return None if baseline is None else read_baseline(baseline, plan.seed, plan.words)
