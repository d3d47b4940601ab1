"""From the text of options to values, without loading PyTorch."""

from typing import Any

from inpaintrt.runtime.errors import UsageError


def parse_options(
    size: str | None, dynamic: str | None, batch: str, io: str, precision: str, optimize: bool, keep_fp32: list[str]
) -> dict[str, Any]:
    """The arguments of `ExportOptions`.

    Raises:
        UsageError: saying what was found and what was expected.
    """
    from inpaintrt.runtime.bundle import Profile

    if io not in ("image", "tensor"):
        raise UsageError(f"--io is image or tensor, not {io!r}")
    if size is not None and dynamic is not None:
        raise UsageError("--size and --dynamic exclude each other")
    sizes = (
        [_parse_size("--dynamic", part) for part in dynamic.split(",")]
        if dynamic
        else [_parse_size("--size", size or "512x512")] * 3
    )
    if len(sizes) != 3:
        raise UsageError(f"--dynamic {dynamic}: expected MIN,OPT,MAX such as 256,512,1024")
    batches = _parse_numbers("--batch", batch, int)
    if len(batches) not in (1, 3):
        raise UsageError(f"--batch {batch}: expected N or MIN,OPT,MAX")
    return {
        "profile": Profile(
            batch=tuple(batches * 3 if len(batches) == 1 else batches),  # type: ignore[arg-type]
            height=tuple(height for height, _ in sizes),  # type: ignore[arg-type]
            width=tuple(width for _, width in sizes),  # type: ignore[arg-type]
        ),
        "io": io,
        "precisions": tuple(dict.fromkeys(part.strip() for part in precision.split(","))),
        "optimize": optimize,
        "keep_fp32": tuple(keep_fp32),
    }


def parse_interface(
    *, image_range: str | None, mean: str | None, std: str | None, **values: str | int | bool | None
) -> dict[str, Any]:
    """The entries of an `Interface` that were given, to put over the network's own.

    Raises:
        UsageError: if numbers are malformed.
    """
    given: dict[str, Any] = {
        "image_range": _parse_numbers("--image-range", image_range, float, 2) if image_range is not None else None,
        "mean": _parse_numbers("--mean", mean, float, 3) if mean is not None else None,
        "std": _parse_numbers("--std", std, float, 3) if std is not None else None,
        **values,
    }
    return {name: value for name, value in given.items() if value is not None}


def _parse_size(option: str, text: str) -> tuple[int, int]:
    numbers = text.lower().strip().split("x")
    try:
        height, width = (int(number) for number in (numbers * 2 if len(numbers) == 1 else numbers))
    except ValueError:
        raise UsageError(f"{option} {text}: expected HEIGHTxWIDTH in pixels, such as 512x768") from None
    return height, width


def _parse_numbers(option: str, text: str, kind: type, count: int | None = None) -> list[Any]:
    try:
        numbers = [kind(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or (count is not None and len(numbers) != count):
        wanted = f"{count} numbers" if count else "numbers"
        raise UsageError(f"{option} {text}: expected {wanted} separated by commas")
    return numbers
