"""One list of families, which help, errors and README follow."""

from pathlib import Path

from inpaintrt.export.checkpoints.loading import FAMILIES
from inpaintrt.export.checkpoints.registry import ENTRIES, families_as_table, load_families
from tests.commands import run as run_command


def test_entries_are_the_families() -> None:
    assert [family.name for family in load_families()] == [entry.name for entry in ENTRIES]
    assert [type(family) for family in FAMILIES] == [type(family) for family in load_families()]


def test_help_names_every_family() -> None:
    shown = run_command("export-onnx", "--help").stdout
    missing = [entry.name for entry in ENTRIES if entry.name not in shown]
    assert not missing


def test_the_readme_names_every_family() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    missing = [entry.name for entry in ENTRIES if f"`{entry.name}`" not in readme]
    assert not missing, "name each family in README.md, between the marks <!-- families -->"


def test_the_table_has_a_row_for_every_family() -> None:
    rows = families_as_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [entry.name for entry in ENTRIES]
