"""A web page to paint holes on and see them filled. Needs gradio; ``pip install -e '.[page]'`` from a checkout."""

from .blocks import make_page
from .limits import Limits

__all__ = ["Limits", "make_page"]
