"""Shapes of a deployed network's inputs."""

from inpaintrt.runtime.bundle import Bundle


def input_shapes(bundle: Bundle, shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """The shape of each input of a bundle's models for (batch, height, width)."""
    batch, height, width = shape
    plane: tuple[int, ...] = (batch, 1, height, width)
    shapes: dict[str, tuple[int, ...]] = {"image": (batch, 3, height, width), "mask": plane, "sketch": plane}
    if bundle.interface.io == "image":
        plane = (batch, height, width)
        shapes = {"image": (batch, height, width, 3), "mask": plane, "sketch": plane}
    return {name: shapes[name] for name in bundle.interface.inputs if name in shapes}
