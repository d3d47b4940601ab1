"""Pickles read without running anything they name.

A pickle can name any function and have it called. Here every name becomes an inert stand-in, a class that keeps what
it is given and does nothing, except the few that make tensors, which have own implementations. So the weights of files
that hold more than weights can be read: a TorchScript archive (`big-lama.pt`), whose code is never looked at, and a
checkpoint of Lightning, which holds the classes of its callbacks.

Both are zip archives of one folder: `data.pkl`, and the numbers of each storage in `data/KEY`.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

STORAGES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip

DEEPEST = 100
"""Modules within modules; more is a loop."""


class Inert:
    """What a pickle's own classes become: it keeps its attributes, and no call of it does anything."""

    def __init__(self, *arguments: Any, **named: Any):
        self.content: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.content = dict(state) if isinstance(state, Mapping) else {}

    def __setitem__(self, key: Any, value: Any) -> None:
        """As of a mapping or list that a pickle fills; nothing is kept."""

    def append(self, value: Any) -> None:
        """As of a list that a pickle fills; nothing is kept."""

    def __call__(self, *arguments: Any, **named: Any) -> "Inert":
        return Inert()

    def __hash__(self) -> int:
        return id(self)


class _Reader(pickle.Unpickler):
    """Reads `data.pkl`; `storages` gives the bytes of a storage by its key."""

    def __init__(self, archive: zipfile.ZipFile, root: str):
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self.archive = archive
        self.root = root
        self.read: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils":
            return {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter}.get(name, Inert)
        if module in ("torch", "torch.storage") and name in STORAGES:
            return STORAGES[name]
        return Inert

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or len(pid) < 3 or pid[0] != "storage" or not isinstance(pid[1], torch.dtype):
            return Inert()
        kind, key = pid[1], str(pid[2])
        if key not in self.read:
            data = bytearray(self.archive.read(f"{self.root}data/{key}"))
            self.read[key] = torch.frombuffer(data, dtype=kind) if data else torch.empty(0, dtype=kind)
        return self.read[key]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    if not isinstance(storage, Tensor):
        return Inert()
    return torch.as_strided(storage, size, stride, offset)  # refuses what lies outside the storage


def _parameter(data: Any, *_: Any) -> Any:
    return data


def is_torchscript(archive: zipfile.ZipFile) -> bool:
    """Whether an archive holds code of TorchScript beside its weights."""
    return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())


def read_inert(archive: zipfile.ZipFile) -> Any:
    """What an archive of `torch.save` or `torch.jit.save` holds, its classes inert.

    Raises:
        pickle.UnpicklingError, KeyError, RuntimeError, ValueError: if it is damaged.
    """
    pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    return _Reader(archive, pickles[0].removesuffix("data.pkl")).load() if pickles else None


def module_tensors(module: Any) -> dict[str, Tensor]:
    """The tensors of an inert module and the modules within, by their dotted names."""
    return dict(_walk(module, "", 0))


def _walk(module: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(module, Inert) or depth > DEEPEST:
        return
    for name, value in module.content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        else:
            yield from _walk(value, f"{prefix}{name}.", depth + 1)
