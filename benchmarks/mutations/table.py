"""The results of all mutations: stored as they come, and the table of docs/validation.md that is made of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "validation.md"
STORED = Path(__file__).parent.parent / "results" / "mutations.json"
BEGIN, END = "<!-- mutations: begin -->\n", "<!-- mutations: end -->\n"

MISSED = "**not found**"
NO_EFFECT = "no effect: this network's results are the same"
NOT_APPLICABLE = "not applicable"
NOT_RUN = "not run"


@dataclass
class Table:
    """What was found, by family and mutation.

    Args:
        families, names: columns and rows.
        cells: by family, then mutation.
    """

    families: Sequence[str]
    names: Sequence[str]
    cells: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, families: Sequence[str], names: Sequence[str]) -> "Table":
        """What earlier runs stored of these mutations."""
        stored = json.loads(STORED.read_text()) if STORED.exists() else {}
        return cls(families, names, {
            family: {name: cell for name, cell in stored.get(family, {}).items() if name in names}
            for family in families
        })  # fmt: skip

    def add(self, family: str, name: str, cell: str) -> None:
        """A result; it is stored at once, so that a run may be ended at any time, and others may run beside it."""
        self.cells = Table.read(self.families, self.names).cells
        self.cells.setdefault(family, {})[name] = cell
        STORED.parent.mkdir(exist_ok=True)
        STORED.write_text(json.dumps(self.cells, indent=1) + "\n")

    def cell(self, family: str, name: str) -> str:
        """A result in words."""
        return self.cells.get(family, {}).get(name, NOT_RUN)

    def summary(self) -> str:
        """How many there are, and how many were found."""
        cells = [self.cell(family, name) for family in self.families for name in self.names]
        kinds = (MISSED, NO_EFFECT, NOT_APPLICABLE, NOT_RUN)
        missed, same, none, not_run = (sum(cell.startswith(kind) for cell in cells) for kind in kinds)
        found = len(cells) - missed - same - none - not_run
        return (
            f"{len(self.names)} mutations of {len(self.families)} networks: {found} found, {missed} not found, {same} "
            f"without any effect, {none} not applicable, {not_run} not run."
        )

    def write(self) -> None:
        """Put the table into the document."""
        lines = [f"| mutation | {' | '.join(self.families)} |", "|---" * (len(self.families) + 1) + "|"]
        lines += [
            f"| {name} | {' | '.join(self.cell(family, name) for family in self.families)} |" for name in self.names
        ]
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f"{before}{BEGIN}{self.summary()}\n\n" + "\n".join(lines) + f"\n{END}{after}")
