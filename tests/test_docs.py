"""README and docs: short enough, all pages linked, and every link, path, command and option that they name is there."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.commands import COMMANDS, run

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")

FOLDERS = (
    "benchmarks", "docs", "engines", "examples", "export", "runtime", "serving", "tests", "training", "validation",
)  # fmt: skip
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+/?)`")
SOURCE = (".py", ".hpp", ".cpp", ".h", ".c", ".cmake", ".sh", ".yaml")
"""Suffixes of files that are of this repository and not a user's, in whatever folder a page speaks of."""

COMMAND = re.compile(rf"(?<![\w/.-])({'|'.join(sorted(COMMANDS, key=len, reverse=True))})(?![\w-])([^`#;\n]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FOREIGN_OPTIONS = {"--preset", "--missing"}
"""Options in backticks that none of `COMMANDS` has: of CMake, and of benchmarks."""


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be reached."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def linked_pages(page: Path) -> set[Path]:
    """The pages that a page links to."""
    targets = {(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(page.read_text())}
    return targets & set(PAGES)


@cache
def files() -> list[str]:
    """All files and folders below the folders of this repository, each with a slash in front."""
    return [f"/{path.relative_to(ROOT).as_posix()}" for folder in FOLDERS for path in (ROOT / folder).rglob("*")]


@cache
def options(command: str) -> frozenset[str]:
    """The options that the help of a command lists."""
    return frozenset(OPTION.findall(run(command, "--help").stdout))


def in_one_line(page: Path) -> str:
    """The text of a page, in which a command that goes on after a backslash is one line."""
    return re.sub(r"\\\n\s*", " ", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_in_backticks_are_there(page: Path) -> None:
    """From the root, or below the folder that the page speaks of."""
    named = [path.rstrip("/") for path in PATH.findall(page.read_text())]
    ours = [path for path in named if path.endswith(SOURCE) or path.split("/")[0] in FOLDERS]
    missing = [path for path in ours if not (ROOT / path).exists() and not any(f.endswith(f"/{path}") for f in files())]
    missing = [path for path in missing if not any(f.endswith((f"/{path}.py", f"/{path}.cpp")) for f in files())]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_the_options_that_are_named(page: Path) -> None:
    text = in_one_line(page)
    wrong = [
        f"{command} {option}"
        for command, rest in COMMAND.findall(text)
        for option in OPTION.findall(rest)
        if option not in options(command)
    ]
    every = FOREIGN_OPTIONS.union(*map(options, COMMANDS))
    wrong += [
        option
        for span in re.findall(r"`(--[^`\n]*)`", text)
        for option in OPTION.findall(span)[:1]
        if option not in every
    ]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_and_modules_are_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"(?:`|^    )make ([a-z][\w-]*)", page.read_text(), re.MULTILINE)
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    modules = [name.removeprefix("inpaintrt.") for name in re.findall(r"python -m ([\w.]+)", page.read_text())]
    paths = [ROOT / name.replace(".", "/") for name in modules if name.split(".")[0] in FOLDERS]
    assert [
        path for path in paths if not path.with_suffix(".py").exists() and not (path / "__main__.py").exists()
    ] == []


def test_every_page_is_found_from_the_readme() -> None:
    found, left = set(), {ROOT / "README.md"}
    while left:
        found |= left
        left = set().union(*map(linked_pages, left)) - found
    assert set(PAGES) - found == set()


def test_the_readme_takes_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 700
