"""Which GPUs engines are built for."""

from inpaintrt.runtime.errors import UsageError

LOCAL = "local"
ALL = "all"

AHEAD_OF_TIME = {
    "sm75": "Turing: RTX 20, T4",
    "sm80": "Ampere: A100, A30",
    "sm86": "Ampere: RTX 30, A10, A40",
    "sm89": "Ada: RTX 40, L4, L40",
    "sm120": "Blackwell: RTX 50, RTX PRO",
    "sm121": "Blackwell: GB10 (DGX Spark)",
}
"""Compute capabilities that TensorRT-RTX builds for on any machine, and the GPUs that have them."""


def parse_targets(text: str) -> list[str]:
    """`local`, `all`, or compute capabilities separated by commas.

    Raises:
        UsageError: naming the targets there are.
    """
    if text == ALL:
        return list(AHEAD_OF_TIME)
    targets = list(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [target for target in targets if target != LOCAL and target not in AHEAD_OF_TIME]
    if unknown or not targets:
        known = ", ".join([LOCAL, *AHEAD_OF_TIME, ALL])
        raise UsageError(
            f"--target {text}: unknown {', '.join(unknown)}; known are {known}. For another GPU, build with TensorRT "
            "on the machine that has it: build-engines DIR --backend tensorrt --target local"
        )
    return targets


def compute_capability(target: str) -> tuple[int, int]:
    """`sm89` as (8, 9), `sm120` as (12, 0)."""
    digits = target.removeprefix("sm")
    return int(digits[:-1]), int(digits[-1])
