"""The architectures, in plain trainable PyTorch."""

from .partial_conv import PartialConv2d
from .pconv_unet import PConvUNet

__all__ = ["PConvUNet", "PartialConv2d"]
