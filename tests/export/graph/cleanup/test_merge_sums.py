"""Sums of sums along different axes become one."""

import numpy as np
from torch import Tensor, nn

from inpaintrt.export.graph.cleanup.merge_sums import merge_sums
from tests.export.graph.graphs import assert_same, operators, traced


class Summed(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        apart = (image * image).sum(3, keepdim=True).sum(2, keepdim=True).sum(1, keepdim=True)
        same_axis = image.mean(2, keepdim=True).mean(2, keepdim=True)
        dropped = image.sum(3).sum(2)[..., None, None]
        used_twice = image.amax(3, keepdim=True)
        return image * mask + apart + same_axis + dropped + used_twice + used_twice.amax(2, keepdim=True)


def test_reductions_that_keep_their_axes_and_share_none_become_one() -> None:
    model = traced(Summed())
    before = operators(model)
    merged = model.clone()
    merge_sums(merged.graph)
    after = operators(merged)
    assert before["ReduceSum"] - after["ReduceSum"] == 2
    assert [before[name] - after[name] for name in ("ReduceMean", "ReduceMax")] == [0, 0]
    (three,) = [n for n in merged.graph if n.op_type == "ReduceSum" and len(n.inputs[1].const_value.numpy()) == 3]  # type: ignore[union-attr]
    assert np.asarray(three.inputs[1].const_value.numpy()).tolist() == [1, 2, 3]  # type: ignore[union-attr]
    assert_same(model, merged)
