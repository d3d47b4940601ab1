"""Every user-fixable error: what was found, what was expected, what to do.

Commands print the message on one line and end with exit code 2; the API raises. Anything else that escapes is a defect
of this project.
"""


class InpaintrtError(Exception):
    """Base of all user-fixable errors."""


class CheckpointError(InpaintrtError):
    """A checkpoint cannot be read, is of no known family, or does not fit its family."""


class NetworkError(InpaintrtError):
    """A network cannot be found, called or exported."""


class BundleError(InpaintrtError):
    """A bundle is missing, altered, of another schema version, or cannot be written."""


class BackendError(InpaintrtError):
    """No backend can run this bundle here, or the one asked for cannot."""


class EngineBuildError(InpaintrtError):
    """An engine cannot be built for this target."""


class ImageError(InpaintrtError):
    """An image or mask cannot be read, or does not fit the network or its partner."""


class UsageError(InpaintrtError):
    """Options that do not fit together or do not fit the network."""
