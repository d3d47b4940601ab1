"""The mask of a bundle that was exported for one mask only."""

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .errors import BundleError, ImageError


def read_fixed_mask(bundle: Bundle) -> NDArray[np.bool_] | None:
    """The mask [H,W], True = hole, of a bundle that was exported for one; None where it takes a mask.

    Raises:
        BundleError: if it has both or neither, or its mask cannot be decoded.
    """
    artifact = bundle.fixed_mask()
    if (artifact is None) == ("mask" not in bundle.interface.inputs):
        have = "neither a mask input nor a fixed mask" if artifact is None else "a mask input and a fixed mask"
        raise BundleError(f"{bundle.path}: has {have}; export it again")
    if artifact is None:
        return None
    from .images import decode_mask  # Pillow only where it is used

    try:
        return decode_mask(bundle.file(artifact), str(bundle.path / artifact.path))
    except ImageError as error:
        raise BundleError(str(error)) from None
