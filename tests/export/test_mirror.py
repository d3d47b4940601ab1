"""Every pass, analysis and step of tracing is found by its name: in the tests, and in the table of the passes."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("graph/analysis", "graph/cleanup", "graph/fp16", "graph/passes", "tracing")


def modules(folder: str) -> list[str]:
    """The modules of a folder; of `graph/passes` the passes, which take a model, and not their parts."""
    paths = sorted(path for path in (ROOT / "export" / folder).glob("*.py") if path.stem != "__init__")
    return [path.stem for path in paths if folder != "graph/passes" or is_pass(path)]


def is_pass(path: Path) -> bool:
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    firsts = [f.args.args[0].arg for f in functions if f.args.args and not f.name.startswith("_")]
    return "model" in firsts


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_has_a_test_of_its_name(folder: str) -> None:
    lacking = [name for name in modules(folder) if not (ROOT / "tests/export" / folder / f"test_{name}.py").is_file()]
    assert not lacking


@pytest.mark.parametrize("folder", ["graph/fp16", "graph/passes"])
def test_the_test_of_a_pass_imports_it(folder: str) -> None:
    lacking = []
    for name in modules(folder):
        test = ROOT / "tests/export" / folder / f"test_{name}.py"
        dotted = f"inpaintrt.export.{folder.replace('/', '.')}"
        imports = rf"^ *from {re.escape(dotted)}\.{name} import|^ *from {re.escape(dotted)} import .*\b{name}\b"
        if test.is_file() and not re.search(imports, test.read_text(), re.MULTILINE):
            lacking.append(name)
    assert not lacking


def test_the_table_of_the_passes_names_each_with_its_test() -> None:
    rows = [line for line in (ROOT / "docs/mask-path.md").read_text().splitlines() if line.startswith("| `")]
    table = "\n".join(rows)
    lacking = [f"{part}/{name}" for part in ("passes", "fp16") for name in modules(f"graph/{part}")]
    lacking = [name for name in lacking if f"`{name}`" not in table]
    assert not lacking
    tests = [test for row in rows for test in re.findall(r"`(\w+/test_\w+\.py)`", row)]
    assert tests
    assert all((ROOT / "tests/export/graph" / test).is_file() for test in tests)
