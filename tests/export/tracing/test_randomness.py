"""Noise is refused at export, with the operator, the line and what to do; what only looks random is not."""

import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export import export_onnx
from inpaintrt.export.tracing.randomness import refuse_randomness, run_difference
from inpaintrt.runtime.errors import NetworkError

Noise = Callable[[Tensor], Tensor]

DRAWN: dict[str, tuple[Noise, str]] = {
    "randn_like": (lambda x: x + 0.01 * torch.randn_like(x), "randn_like"),
    "rand": (lambda x: x * torch.rand(1, 3, 1, 1), "rand"),
    "dropout": (lambda x: F.dropout(x, training=True), "dropout|bernoulli"),
    "dropout2d": (lambda x: F.dropout2d(x, training=True), "dropout|bernoulli"),
    "rrelu": (lambda x: F.rrelu(x, training=True), "rrelu"),
    "bernoulli": (lambda x: x * torch.bernoulli(torch.full_like(x, 0.9)), "bernoulli"),
    "normal_": (lambda x: x + torch.empty_like(x).normal_(), "normal"),
    "uniform_": (lambda x: x + torch.zeros_like(x).uniform_(), "uniform"),
    "randperm": (lambda x: x[:, torch.randperm(3)], "randperm"),
    "gumbel": (lambda x: F.gumbel_softmax(x, dim=1), "exponential"),
    "alpha_dropout": (lambda x: F.alpha_dropout(x, 0.1, training=True), "dropout|bernoulli"),
    "feature_alpha_dropout": (lambda x: F.feature_alpha_dropout(x, 0.1, training=True), "dropout|bernoulli"),
    "multinomial": (lambda x: x * torch.multinomial(torch.ones(3), 3).view(1, 3, 1, 1), "multinomial"),
    "poisson": (lambda x: x + torch.poisson(torch.ones_like(x)), "poisson"),
    "random pad": (lambda x: F.pad(x, (int(torch.randint(2, (1,))), 0))[..., : x.shape[3]], "randint"),
    "generator": (lambda x: x + torch.rand(x.shape, generator=torch.Generator().manual_seed(0)), "rand"),
    "weight zero": (lambda x: x + 0.0 * torch.randn_like(x), "randn_like"),
}

SEEDED_ONCE = np.random.default_rng(0)
CALLS = itertools.count()

OUTSIDE: dict[str, Noise] = {
    "random": lambda x: x * random.random(),
    "numpy": lambda x: x * float(np.random.rand()),
    "a generator of NumPy's, seeded once": lambda x: x + float(SEEDED_ONCE.random()),
    "a random pad": lambda x: x.roll(random.randrange(1, 9) + np.random.randint(9), 3),
    "the time": lambda x: x + time.perf_counter() % 1,
    "a count of calls": lambda x: x + next(CALLS),
    "memory that nothing was written to": lambda x: x + torch.empty_like(x).clamp(-1e4, 1e5).nan_to_num(),
}


class Noisy(nn.Module):
    def __init__(self, noise: Noise):
        super().__init__()
        self.conv, self.noise = nn.Conv2d(4, 3, 3, padding=1), noise

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.noise(self.conv(torch.cat([image, mask], dim=1)))


@pytest.mark.parametrize("kind", DRAWN)
def test_what_draws_random_numbers_is_refused_with_its_line(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    noise, operator = DRAWN[kind]
    with pytest.raises(NetworkError, match=rf"draws random numbers: \S*({operator})\S* .*test_randomness\.py:\d+") as e:
        export_onnx(Noisy(noise).eval(), tmp_path, size=(16, 16))
    assert "register_buffer" in str(e.value)
    assert not (tmp_path / "bundle.json").exists()


@pytest.mark.parametrize("kind", OUTSIDE)
def test_random_numbers_from_elsewhere_are_refused(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(NetworkError, match="two runs of the network on the same input differ by"):
        export_onnx(Noisy(OUTSIDE[kind]).eval(), tmp_path, size=(16, 16))


def test_what_is_off_or_fixed_is_not_refused() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 4, 8)

    def call() -> tuple[Tensor, ...]:
        attended = F.scaled_dot_product_attention(x, x, x)
        written = torch.empty_like(x)
        written.copy_(x)
        return (F.dropout(attended, training=False) + nn.Dropout().eval()(x) + written + x.new_empty(1).fill_(2),)

    state = torch.get_rng_state()
    refuse_randomness(call)
    assert torch.equal(state, torch.get_rng_state())


def test_the_difference_of_two_runs() -> None:
    a = torch.tensor([1.0, float("nan")])
    assert run_difference((a,), (a.clone(),)) == 0
    assert run_difference((torch.ones(4),), (torch.full((4,), 1.5),)) == pytest.approx(0.5)
    assert run_difference((torch.ones(4),), (torch.ones(5),)) == float("inf")
