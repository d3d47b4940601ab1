"""What a visitor may ask of the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask of the page.

    Args:
        max_pixels: of an image or mask; larger ones are refused before they are decoded.
        max_upload: bytes of a file. Gradio checks it while the file arrives, where the page is launched with
            `max_file_size`, and the page when it opens the file.
        waiting: requests that may wait while others run; more are told to come back.
        at_once: requests that run at the same time.
        keep_seconds: how long uploads and results stay on the disk.
    """

    max_pixels: int = 50_000_000
    max_upload: int = 64 * 2**20
    waiting: int = 16
    at_once: int = 2
    keep_seconds: int = 3600
