"""A TensorRT or TensorRT-RTX engine: loaded, configured, its runtime cache kept beside it.

Both libraries have the same Python interface; what differs is that TensorRT-RTX compiles its engine to the GPU when it
is loaded. With dynamic shapes it compiles kernels for a shape when that shape is first met, which is asked for at once
here (eager), and has CUDA graphs of its own, which know when those kernels are ready; so ours are for TensorRT only.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

from ..bundle import Artifact, Bundle
from ..errors import BackendError
from .gpu import load_library


class LoadedEngine:
    """An engine on the current device. Its contexts get their memory from `memory.ActivationPool`."""

    def __init__(self, bundle: Bundle, artifact: Artifact):
        """Load an engine.

        Raises:
            BackendError: if the library is missing, or the engine does not load.
            BundleError: if the engine file is missing or altered.
        """
        backend = str(artifact.backend)
        self._library = load_library(backend)
        self._logger = self._library.Logger(self._library.Logger.ERROR)
        self._runtime: Any = self._library.Runtime(self._logger)
        self._engine: Any = self._runtime.deserialize_cuda_engine(bundle.file(artifact))
        if self._engine is None:
            raise BackendError(
                f"{backend} {self._library.__version__} cannot load {artifact.path}, built by version "
                f"{artifact.backend_version} for {artifact.target}; run build-engines again on this machine"
            )
        self._cache_path = bundle.path / f"{artifact.path}.cache"
        self._cache: Any = None
        self._config: Any = self._runtime_config() if backend == "tensorrt-rtx" else None

    def _runtime_config(self) -> Any:
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(self._user_managed())
        if hasattr(self._library, "CudaGraphStrategy"):  # since 1.2
            config.cuda_graph_strategy = self._library.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if hasattr(self._library, "DynamicShapesKernelSpecializationStrategy"):
            eager = self._library.DynamicShapesKernelSpecializationStrategy.EAGER
            config.dynamic_shapes_kernel_specialization_strategy = eager
        self._cache = config.create_runtime_cache()
        with contextlib.suppress(OSError):
            # A cache of another driver or GPU is rejected by the library, which then compiles again.
            self._cache.deserialize(self._cache_path.read_bytes())
        config.set_runtime_cache(self._cache)
        return config

    def _user_managed(self) -> Any:
        return self._library.ExecutionContextAllocationStrategy.USER_MANAGED

    @property
    def has_own_graphs(self) -> bool:
        """Whether the library captures CUDA graphs itself, or would capture kernels that it is about to replace."""
        return self._config is not None

    def create_context(self) -> Any:
        """An execution context without memory; None where the library cannot make one."""
        return self._engine.create_execution_context(self._user_managed() if self._config is None else self._config)

    def store_cache(self) -> None:
        """Keep what TensorRT-RTX compiled for the next start."""
        if self._cache is None:
            return
        memory = self._cache.serialize()
        if memory is None:  # the library says why on its log
            return
        content = bytes(memory)
        temporary = Path(f"{self._cache_path}.{os.getpid()}")
        # A bundle on a read-only disk works without a cache: the next start compiles again.
        with contextlib.suppress(OSError):
            temporary.write_bytes(content)
            temporary.replace(self._cache_path)

    def close(self) -> None:
        """Free the engine; its contexts must be gone. The order is the one the libraries want."""
        self._config = self._cache = None
        self._engine = None
        self._runtime = None
