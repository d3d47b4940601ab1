"""Exports that are two to four times as quick in tests: what PyTorch prepares anew for each export, it prepares once.

`torch.onnx.export` (2.13) reads the source of some 500 functions and builds a table of decompositions at every call:
0.6 s of processor time, whatever the network. Neither depends on the network. The names are PyTorch's own and may
change, in which case exports are only slower.
"""

import contextlib
import functools


def prepare_exports_once() -> None:
    """Remember the registry and the table of decompositions of `torch.onnx.export` for all exports of this process."""
    with contextlib.suppress(ImportError, AttributeError):
        from torch.onnx._internal.exporter import _decomp, _registration

        registry, make_table = _registration.ONNXRegistry, _decomp.create_onnx_friendly_decomposition_table
        table_of = functools.cache(lambda operators: make_table(set(operators)))
        registry.from_torchlib = staticmethod(functools.cache(registry.from_torchlib))  # type: ignore[method-assign]
        _decomp.create_onnx_friendly_decomposition_table = lambda operators: table_of(frozenset(operators))
