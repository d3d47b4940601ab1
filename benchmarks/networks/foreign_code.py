"""Code of others, imported from the folder it was fetched into, whatever else it imports.

Repositories import packages for their losses, their training and their plots at the top of the module that holds the
network. What is not installed becomes a placeholder: it can be imported and named, and raises when it is used.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

MISSING = (
    "dill",
    "easydict",
    "icecream",
    "kornia",
    "matplotlib",
    "pytorch_lightning",
    "skimage",
    "timm",
    "torchvision",
    "cv2",
)
"""Packages that some repositories import and whose networks, in evaluation mode, do without."""

GIVEN = {
    "DropPath": nn.Identity,  # in evaluation mode
    "to_2tuple": lambda value: value if isinstance(value, tuple) else (value, value),
    "trunc_normal_": nn.init.trunc_normal_,
    "EasyDict": SimpleNamespace,
}
"""The few of their names that the networks themselves use."""


class _Placeholder(ModuleType):
    """A module of which every name can be imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in GIVEN:
            return GIVEN[name]

        def missing(*_: Any, **__: Any) -> Any:
            raise ImportError(f"{self.__name__}.{name} is used, and {self.__name__.split('.')[0]} is not installed")

        return missing


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: frozenset[str]):
        self.names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """A placeholder for what is not installed."""
        if fullname.split(".", maxsplit=1)[0] in self.names:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        """As the import system asks for it."""
        module = _Placeholder(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It holds nothing."""


@contextlib.contextmanager
def foreign_code(*folders: Path) -> Iterator[None]:
    """Within, modules are found in `folders` first, and packages that are not installed are placeholders.

    Modules of different repositories have the same names, so one process imports one repository.
    """
    absent = frozenset(name for name in MISSING if importlib.util.find_spec(name) is None)
    finder = _Finder(absent)
    sys.meta_path.append(finder)
    sys.path[:0] = [str(folder) for folder in folders]
    for name in {name.split(".")[0] for name in _own_names(folders)} & set(sys.modules):
        del sys.modules[name]
    try:
        with torch.no_grad():
            yield
    finally:
        for folder in folders:
            sys.path.remove(str(folder))


def _own_names(folders: Sequence[Path]) -> list[str]:
    """Top-level modules of the folders, which must not be taken from elsewhere, such as this project's `training`."""
    return [path.stem for folder in folders for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()]
