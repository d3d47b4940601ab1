"""The manifest: what was done with each image, as Parquet files in one folder.

Only the program that runs the job writes it, a part at a time, each part whole or not at all. A part is written after
the results it tells of, so what it says is true; what a killed program had not yet written is done again. That is
little: the newest part is written again and again while it grows.
"""

import io
import time
from collections.abc import Iterable
from typing import Any

from .storage import MANIFEST, below, list_files, open_folder, write_whole
from .worker import FACTS, Row

PART_ROWS = 1000
"""Images of a part, at least, but for the newest."""

FLUSH_SECONDS = 1.0
"""What is told longer ago is on the disk."""


class Manifest:
    """Reads and appends to the manifest of an output folder.

    Args:
        output: URI or path of the folder.
        bundle: hash of the bundle; told in every row.
    """

    def __init__(self, output: str, bundle: str):
        self._output, self.bundle = output, bundle
        self._rows: list[Row] = []
        self._written = time.monotonic()
        self._part = 1
        self._run = f"{time.time_ns():020d}"

    def read(self) -> dict[str, Row]:
        """The newest row of each name."""
        from pyarrow import parquet

        filesystem, folder = open_folder(self._output)
        rows: dict[str, Row] = {}
        for path in sorted(list_files(below(self._output, MANIFEST), (".parquet",)).values()):
            table = parquet.read_table(f"{folder}/{MANIFEST}/{path}", filesystem=filesystem)
            rows |= {row["name"]: row for row in table.to_pylist()}
        return rows

    def restart(self, kept: Iterable[Row]) -> None:
        """Keep only these rows: the others are to be done again."""
        old = list_files(below(self._output, MANIFEST), (".parquet",)).values()
        if not old:
            return
        filesystem, folder = open_folder(self._output)
        self._rows = list(kept)
        self.flush()
        for path in old:
            filesystem.delete_file(f"{folder}/{MANIFEST}/{path}")

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows; they are on the disk after `FLUSH_SECONDS`, where more come, or `flush`."""
        self._rows += [{**row, "bundle": self.bundle} for row in rows]
        if len(self._rows) >= PART_ROWS or time.monotonic() - self._written > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the newest part with what was added to it; a full one stays as it is from then on."""
        import pyarrow as pa
        from pyarrow import parquet

        if self._rows:
            kinds: dict[type, Any] = {str: pa.string(), float: pa.float64()}
            columns = {"name": str, **FACTS, "bundle": str}
            schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
            content = io.BytesIO()
            parquet.write_table(pa.Table.from_pylist(self._rows, schema), content)
            write_whole(self._output, f"{MANIFEST}/part-{self._run}-{self._part:06d}.parquet", content.getvalue())
        if len(self._rows) >= PART_ROWS:
            self._rows, self._part = [], self._part + 1
        self._written = time.monotonic()
