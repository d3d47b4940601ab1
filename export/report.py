"""What an export did: for the terminal, for `--json` and for the details of the bundle's artifacts."""

import math
from dataclasses import dataclass, field

from .graph.analysis.cost import Cost
from .graph.analysis.layers import LayerReport
from .graph.fp16.convert import Fp16Report
from .graph.report import PassReport


@dataclass
class ExportReport:
    """What was done: the passes, what they cost and saved, and what became of the FP16 graph.

    Args:
        passes: what each pass changed and refused.
        layers: a row for each convolution, if `ExportOptions.explain` asks for it.
        costs: of the plain trace (`plain`) and of each model (`fp32`, `fp16`).
        fp16: which nodes stayed FP32 in the FP16 graph, and why; None without an FP16 graph.
        fp16_share: share (0..1) of the multiply-adds that the FP16 graph does in FP16; None without one.
        mask_path_values: how many values depend on the mask and on no image value.
        updated_mask_output: which output of the network, the image being 0, is the updated mask; None without one.
        feature_peak: the largest probed feature, see `feature_peak.py`.
        headroom: the power of two that the features of the FP16 graph are scaled by; 1 for none.
    """

    passes: list[PassReport] = field(default_factory=list)
    layers: list[LayerReport] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    fp16: Fp16Report | None = None
    fp16_share: float | None = None
    mask_path_values: int = 0
    updated_mask_output: int | None = None
    feature_peak: float = 0.0
    headroom: float = 1.0

    def artifact_details(self, precision: str) -> dict[str, object]:
        """What `bundle.json` records of the model of one precision: nothing of the FP32 model."""
        if precision != "fp16" or self.fp16 is None:
            return {}
        return {
            "fp16_share_of_multiply_adds": round(self.fp16_share or 0.0, 6),
            "kept_fp32": dict(self.fp16.kept),
            "largest_probed_feature": self.feature_peak if math.isfinite(self.feature_peak) else "infinite",
            "headroom": 1.0 if self.fp16.headroom.refused else self.headroom,
        }
