"""The mask corpus keeps what its names say."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintrt.validation.cases.masks import (
    BORDER_MARGIN,
    HOLE_RATIO_BUCKETS,
    free_form_mask,
    irregular_mask,
    mask_corpus,
)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(16, 160), width=st.integers(16, 160), seed=st.integers(0, 10_000))
def test_corpus_of_any_size(height: int, width: int, seed: int) -> None:
    cases = {case.name: case for case in mask_corpus(height, width, seed)}
    assert all(case.hole.shape == (height, width) and case.hole.dtype == np.bool_ for case in cases.values())
    for low, high in HOLE_RATIO_BUCKETS:
        border, inside = (cases[f"irregular {low}-{high} {kind}"] for kind in ("border", "inside"))
        assert low <= border.ratio < high
        assert low <= inside.ratio < high
        edge = np.concatenate([border.hole[0], border.hole[-1], border.hole[:, 0], border.hole[:, -1]])
        assert edge.any()
        margin = max(1, round(BORDER_MARGIN * min(height, width)))
        kept = inside.hole.copy()
        kept[margin:-margin, margin:-margin] = False
        assert not kept.any()
    assert cases["no hole"].hole.sum() == 0
    assert cases["all hole"].hole.all()
    assert (~cases["one known pixel"].hole).sum() == 1
    assert cases["one hole pixel"].hole.sum() == 1


def test_one_seed_one_corpus() -> None:
    first, again, other = (mask_corpus(64, 48, seed) for seed in (3, 3, 4))
    assert all((a.hole == b.hole).all() for a, b in zip(first, again, strict=True))
    assert any((a.hole != b.hole).any() for a, b in zip(first, other, strict=True))


def test_free_form_strokes_are_neither_nothing_nor_everything() -> None:
    ratios = [free_form_mask(128, 128, np.random.default_rng(seed)).mean() for seed in range(20)]
    assert 0.02 < min(ratios)
    assert max(ratios) < 0.9


def test_what_cannot_be_had_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16x16, got 8x64"):
        mask_corpus(8, 64)
    with pytest.raises(ValueError, match=r"no irregular mask of 32x32 has a hole ratio in 0\.9\.\.0\.95"):
        irregular_mask(32, 32, (0.9, 0.95), np.random.default_rng(0), border=False)
