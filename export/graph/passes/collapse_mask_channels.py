r"""Mask channels that are identical, carried once.

Many layers carry a mask with as many channels as the features and convolve it with ones, which doubles the
multiply-adds of the network and its file. Here every value of the mask path gets its *groups*: runs of channels that
are proven identical. A value with groups of sizes `C_1 ... C_G` is then computed with `G` channels instead of
`C_1 + ... + C_G`::

    conv_W(m)[o]  =  sum_g (sum_{c in g} W[o, c]) * m_g          and output channels o with equal rows are one group

A convolution with groups of its own is one whose other weights are zero, and a sum or mean over channels one whose
kernel is a single place. Concatenation joins groups; resampling, pooling, padding, cropping and everything pointwise
keep them. Where a mask of one group meets features it broadcasts. Where one of several groups multiplies a
concatenation of features, each part is multiplied by its own plane::

    cat(a, b) * cat(m_1, m_2)  =  cat(a * m_1, b * m_2)

Whatever else needs a wide mask gets the planes repeated.

A value is left as it is where a rule does not apply; its users see it as before.

The parts: `collapse/narrow_forms.py` (what is known), `rules.py` (an operator at a time), `features.py` (the rest).
"""

import onnx_ir as ir

from ..analysis.mask_path import analyse_mask_path
from ..ir_tools import remove_unused
from ..report import PassReport
from .collapse.features import Meeting
from .collapse.narrow_forms import NarrowForms
from .collapse.rules import narrow_node


def collapse_mask_channels(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Carry identical mask channels once, in a copy of `model`; the report names the convolutions that shrank."""
    model = model.clone()
    report = PassReport("collapse_mask_channels")
    mask_path = analyse_mask_path(model)
    forms = NarrowForms(model.graph, mask_path, report)
    meeting = Meeting(forms)
    for node in list(model.graph):
        if not any(value in mask_path.image_dependent for value in node.outputs):
            narrow_node(forms, node)
        if not any(value in forms.narrow for value in node.outputs):
            meeting.visit(node)
    meeting.finish_outputs()
    return remove_unused(model), report
