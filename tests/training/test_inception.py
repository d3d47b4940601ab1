"""The inception score, and what happens without its network."""

import sys

import numpy as np
import pytest
import torch

from inpaintrt.training.inception import inception_classifier, inception_score


def test_inception_score_by_hand() -> None:
    images = [np.full((4, 4, 3), value, np.uint8) for value in (0, 255)]

    def sure(batch: torch.Tensor) -> torch.Tensor:
        return torch.eye(2)[(batch.mean(dim=(1, 2, 3)) > 0.5).long()]

    assert inception_score(images, sure) == pytest.approx(2)
    assert inception_score(images, lambda batch: torch.full((1, 2), 0.5)) == pytest.approx(1)


def test_where_inception_cannot_be_had_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert inception_classifier() is None
    assert "inception score: not available" in capsys.readouterr().err
