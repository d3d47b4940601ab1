"""The declarations for Rust and C# in docs/embed-cpp.md are those of `inpaintrt.h`, member by member."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/embed-cpp.md").read_text()
HEADER = re.sub(r"/\*.*?\*/", "", (ROOT / "runtime/cpp/include/inpaintrt/inpaintrt.h").read_text(), flags=re.DOTALL)

NAMES = {"View": "view", "MutableView": "mutable_view", "Task": "task", "FillTask": "task"}
"""What the page calls the header's structs."""

KINDS = {
    "i32": "int32_t", "int": "int32_t", "usize": "size_t", "UIntPtr": "size_t", "IntPtr": "pointer",
    "string": "pointer", "": "void",
}  # fmt: skip
"""The header's type of the same size, for each of the two languages."""

STRUCTS = {"rust": r"pub struct (\w+) \{([^}]*)\}", "c#": r"public struct (\w+) \{([^}]*)\}"}
FUNCTIONS = {
    "rust": r"fn (inpaintrt_\w+)\(([^)]*)\)(?: -> ([^;]+))?;",
    "c#": r"public static extern (\w+) (inpaintrt_\w+)\((.*?)\);",
}


def kind(written: str) -> str:
    """A type of any of the languages as `int32_t`, `size_t`, `pointer`, `void` or the name of a struct."""
    name = re.sub(r"\[MarshalAs[^]]*\]|\b(const|mut)\b(?= inpaintrt| char| uint8)", "", written).strip()
    if "*" in name or name.endswith("[]") or name.startswith("out "):
        return "pointer"
    name = name.removeprefix("inpaintrt_")
    return NAMES.get(name, KINDS.get(name, name))


def members(language: str, body: str) -> list[tuple[str, str]]:
    """Name and kind of each member of a struct."""
    if language == "rust":
        found = [(part.split(":")[0], part.split(":")[1]) for part in body.replace("pub ", "").split(",")]
    else:
        parts = [part.rsplit(" ", 1) for part in body.replace("public ", "").split(";") if part.strip()]
        found = [(name, written) for written, name in parts]
    return [(name.strip().lower(), kind(written)) for name, written in found]


def parameters(language: str, text: str) -> list[str]:
    parts = [part.strip() for part in re.sub(r"\[MarshalAs[^]]*\]|^void$", "", text).split(",") if part.strip()]
    return [kind(part.split(":")[1] if language == "rust" else part.rsplit(" ", 1)[0]) for part in parts]


def header_functions() -> dict[str, tuple[list[str], str]]:
    found = re.findall(r"INPAINTRT_API (.*?)(inpaintrt_\w+)\((.*?)\);", HEADER, re.DOTALL)
    return {name: (parameters("c", " ".join(text.split())), kind(result)) for result, name, text in found}


@pytest.mark.parametrize("language", STRUCTS)
def test_structs_have_the_members_of_the_header(language: str) -> None:
    theirs = {
        name: members("c", body) for body, name in re.findall(r"typedef struct \{([^}]*)\} inpaintrt_(\w+);", HEADER)
    }
    if language == "c#":  # which has one struct for both views
        theirs["task"] = [(name, "view") for name, _ in theirs["task"]]
    ours = {name: members(language, body) for name, body in re.findall(STRUCTS[language], PAGE)}
    assert set(ours) == ({"View", "MutableView", "Task"} if language == "rust" else {"View", "FillTask"})
    for name, found in ours.items():
        assert found == theirs[NAMES[name]]
    assert theirs["view"] == theirs["mutable_view"]


@pytest.mark.parametrize("language", FUNCTIONS)
def test_functions_are_those_of_the_header(language: str) -> None:
    declared = header_functions()
    found = re.findall(FUNCTIONS[language], PAGE, re.DOTALL)
    assert len(found) == 4
    for each in found:
        result, name, text = (each[2], each[0], each[1]) if language == "rust" else each
        assert (parameters(language, " ".join(text.split())), kind(result)) == declared[name]
