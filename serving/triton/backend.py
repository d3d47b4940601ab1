"""What Triton's Python backend runs: `model.py` of a version takes its class from here."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime import Inpainter, InpaintrtError
from .requests import answer

BUNDLE = "bundle"
"""The folder of a version that holds the bundle."""


class TritonPythonModel:
    """A bundle behind Triton; see `requests.answer` for what it takes and gives."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the bundle of the version that is loaded; an error is Triton's reason why the model is not ready."""
        device = "cpu"
        if args["model_instance_kind"] == "GPU":
            # Each instance is a process of its own; nothing in it has used a GPU before.
            os.environ["CUDA_VISIBLE_DEVICES"] = args["model_instance_device_id"]
            device = "cuda"
        parameters = json.loads(args["model_config"])["parameters"]
        self._max_pixels = int(parameters["max_pixels"]["string_value"])
        threads = int(parameters["threads"]["string_value"])
        bundle = Path(args["model_repository"]) / args["model_version"] / BUNDLE
        self._inpainter = Inpainter(bundle, device, threads)  # type: ignore[arg-type]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests; what is wrong with one becomes its error and touches neither the others nor the server."""
        import triton_python_backend_utils as triton  # exists only inside Triton

        inputs = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
        wanted = [request.requested_output_names() for request in requests]
        responses = []
        for found in answer(self._inpainter, inputs, wanted, self._max_pixels):
            if isinstance(found, InpaintrtError):
                error = triton.TritonError(str(found), triton.TritonError.INVALID_ARG)
                responses.append(triton.InferenceResponse(output_tensors=[], error=error))
            else:
                responses.append(triton.InferenceResponse([triton.Tensor(name, found[name]) for name in found]))
        return responses

    def finalize(self) -> None:
        """Close the bundle, when the model is unloaded or replaced."""
        self._inpainter.close()
