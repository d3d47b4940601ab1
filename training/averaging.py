"""The exponential moving average of the weights, which is what a run saves."""

import copy

from torch import nn


class AveragedWeights:
    """A network whose weights, and statistics of batch norms, are averages of another's.

    After step n (from 0) the average keeps ``min(decay, (1 + n) / (10 + n))`` of itself, TensorFlow's warm-up: with a
    fixed decay a short run would save little but its first weights.

    Args:
        network: averaged; its copy is `self.network`, in eval mode.
        decay: 0 for the last weights.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    def share_kept(self, step: int) -> float:
        """How much of the average is kept after `step`."""
        return min(self.decay, (1 + step) / (10 + step))

    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after `step`."""
        averages, weights = self.network.state_dict(), network.state_dict()
        for key, average in averages.items():
            if average.is_floating_point():
                average.lerp_(weights[key], 1 - self.share_kept(step))
            else:
                average.copy_(weights[key])


def largest(network: nn.Module) -> float:
    """The largest absolute weight or statistic of a network."""
    return max(float(value.abs().max()) for value in network.state_dict().values() if value.is_floating_point())
