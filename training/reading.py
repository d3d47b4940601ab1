"""From a YAML file to a `TrainingConfig`: every key known, every value of its kind, errors with file, key and value."""

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from .config import TrainingConfig
from .limits import ConfigError

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
"""YAML 1.1 reads 1e-4, without a point, as a string; everybody writes it."""


def read_config(path: Path) -> TrainingConfig:
    """Read a YAML file; relative paths in it start from its folder.

    Raises:
        ConfigError: if it cannot be read, a key is unknown or missing, or a value cannot work.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise _ReadingError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise _ReadingError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    try:
        config: TrainingConfig = _read(TrainingConfig, {} if values is None else values, "")
    except ConfigError as error:
        raise _ReadingError(f"{path}: {error}") from None
    folder = path.parent
    return replace(
        config,
        photos=tuple(folder / each.expanduser() for each in config.photos),
        vgg16=_found_from(folder, config.vgg16),
        start_from=_found_from(folder, config.start_from),
    )


class _ReadingError(ConfigError):
    """A `ConfigError` whose message says all."""

    def __init__(self, message: str):
        super(ConfigError, self).__init__(message)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which PyYAML would take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def _found_from(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else (folder / path.expanduser()).resolve()


def _read(kind: Any, values: Any, place: str) -> Any:
    """A dataclass from a mapping; `place` is where it stands."""
    name = place or "the configuration"
    known = {each.name: each for each in fields(kind)}
    if not isinstance(values, dict):
        raise ConfigError(name, values, f"keys and values: {', '.join(known)}")
    for key in values:
        if key not in known:
            raise _ReadingError(f"{_join(place, str(key))} is no known key; expected one of {', '.join(known)}")
    hints = get_type_hints(kind)
    read = {key: _convert(value, hints[key], _join(place, key)) for key, value in values.items()}
    for key, each in known.items():
        if key not in read and each.default is MISSING and each.default_factory is MISSING:
            raise _ReadingError(f"{_join(place, key)} is missing; expected {_describe(hints[key])}")
    try:
        return kind(**read)
    except ConfigError as error:
        raise (error.inside(place) if place else error) from None


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _convert(value: Any, hint: Any, key: str) -> Any:
    """A value of YAML as what a field's type asks for."""
    if get_origin(hint) is UnionType or type(None) in get_args(hint):
        if value is None:
            return None
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if is_dataclass(hint):
        return _read(hint, value, key)
    arguments = get_args(hint)
    if get_origin(hint) is tuple and isinstance(value, list) and (arguments[-1] is ... or len(value) == len(arguments)):
        return tuple(_convert(each, arguments[0], f"{key}[{number}]") for number, each in enumerate(value))
    plain = _plain(value, hint)
    if plain is None:
        raise ConfigError(key, value, _describe(hint))
    return plain


def _plain(value: Any, hint: Any) -> Any:
    """A value without parts, or None where it does not fit; a truth value is no number here."""
    if hint is bool:
        return value if isinstance(value, bool) else None
    if hint in (int, float):
        if isinstance(value, str) and NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if hint is int:
            return int(value) if isinstance(value, int) or value.is_integer() else None
        return float(value) if isinstance(value, float) or abs(value) < 2**1000 else math.inf
    if hint is str or get_origin(hint) is Literal:
        fits = isinstance(value, str) and (hint is str or value in get_args(hint))
        return value if fits else None
    if hint is Path:
        return Path(value) if isinstance(value, str) and value and "\0" not in value else None
    is_mapping = (
        get_origin(hint) is Mapping and isinstance(value, dict) and all(isinstance(each, str) for each in value)
    )
    return value if is_mapping else None


def _describe(hint: Any) -> str:
    """What a field's type asks for, in words."""
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    if get_origin(hint) is tuple:
        count = "a list" if get_args(hint)[-1] is ... else f"a list of {len(get_args(hint))}"
        return f"{count}, each {_describe(get_args(hint)[0])}"
    words = {
        int: "a whole number", float: "a number", bool: "true or false", str: "a string", Path: "a path",
    }  # fmt: skip
    return words.get(hint, "keys and values")
