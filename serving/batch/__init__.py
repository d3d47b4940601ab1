"""Images by the million with Ray Data. Needs ray; ``pip install -e '.[ray]'`` from a checkout."""

from .dataset import fill_dataset
from .job import BatchOptions, BatchResult, run_batch

__all__ = ["BatchOptions", "BatchResult", "fill_dataset", "run_batch"]
