"""The architectures, in plain trainable PyTorch."""

from .aot_gan import AotGan
from .contextual_attention import ContextualAttention
from .deepfill_v2 import DeepFillV2
from .gated_conv import GatedConv2d, GatedDeconv2d
from .lama import LaMa
from .partial_conv import PartialConv2d
from .pconv_unet import PConvUNet

__all__ = [
    "AotGan",
    "ContextualAttention",
    "DeepFillV2",
    "GatedConv2d",
    "GatedDeconv2d",
    "LaMa",
    "PConvUNet",
    "PartialConv2d",
]
