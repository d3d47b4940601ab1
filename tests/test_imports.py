"""Who may import whom: between the top-level folders, and between the folders inside them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "runtime": (),
    "engines": ("runtime",),
    "export": ("runtime",),
    "serving": ("runtime",),
    "validation": ("runtime", "engines", "export"),
    "training": ("runtime", "engines", "export", "validation"),
}
"""What each top-level folder may import besides itself."""

ORDER = {
    "export/graph": ("pipeline", "fp16", "passes", "cleanup", "analysis", "."),
    "validation": (".", "reports", "latency", "judging", "candidates", "cases"),
}
"""For each folder, its parts from the top down: a part imports only itself and what stands to its right.
"." stands for the files directly in the folder."""


def imported_modules(path: Path) -> Iterator[tuple[str, ...]]:
    """The parts of every module below `inpaintrt` that a file imports, anywhere in it."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
            yield from (name[1:] for name in names if name[0] == "inpaintrt")
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                module = (*package[: len(package) - node.level + 1], *module)
            elif module[:1] == ("inpaintrt",):
                module = module[1:]
            else:
                continue
            # `from package import module` names the module last.
            yield from ((*module, alias.name) for alias in node.names)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_top_level_folders_import_what_they_may(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(module)}"
        for path in sources(folder)
        for module in imported_modules(path)
        if module[0] != folder and module[0] not in ALLOWED[folder]
    ]
    assert not wrong


@pytest.mark.parametrize("folder", ORDER)
def test_no_import_runs_up(folder: str) -> None:
    order, base = ORDER[folder], tuple(folder.split("/"))

    def part_of(module: tuple[str, ...]) -> str:
        below = module[len(base)].removesuffix(".py") if len(module) > len(base) else "."
        return below if below in order else "."

    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(module)}"
        for path in sources(folder)
        for module in imported_modules(path)
        if module[: len(base)] == base
        and order.index(part_of(module)) < order.index(part_of(path.relative_to(ROOT).parts))
    ]
    assert not wrong
    assert {part.name for part in (ROOT / folder).iterdir() if part.is_dir() and part.name != "__pycache__"} <= set(
        order
    )
