"""The mutations: wrong models that a validation must not pass. Each is made of a good bundle, in both precisions."""

from dataclasses import dataclass

from . import changes, local_changes
from .graph_edits import Change, change_weight, scale_a_weight


@dataclass(frozen=True)
class Mutation:
    """A wrong model: its name, the change, and the precisions it is made in."""

    name: str
    change: Change
    precisions: tuple[str, ...] = ("fp32", "fp16")


MUTATIONS = (
    Mutation("a kernel times 1.05", scale_a_weight(1.05)),
    Mutation("a kernel times 1.02", scale_a_weight(1.02)),
    Mutation("a kernel times 1.001", scale_a_weight(1.001)),
    Mutation("a kernel negated", scale_a_weight(-1.0)),
    Mutation("a kernel zero: the layer is dropped", scale_a_weight(0.0)),
    Mutation("a kernel NaN", scale_a_weight(float("nan"))),
    Mutation("a kernel infinite", scale_a_weight(float("inf"))),
    Mutation("one number of a kernel times 1.5", changes.one_number(1.5)),
    Mutation("one number of an FP16 kernel times 1.02", changes.one_number(1.02), ("fp16",)),
    Mutation("batch norm folded twice", changes.fold_batch_norm_twice),
    Mutation("two channels of a result swapped", changes.swap_channels(0)),
    Mutation("two channels of an operand swapped", changes.swap_channels(1)),
    Mutation("a kernel mirrored", change_weight(lambda array: array[..., ::-1])),
    Mutation("a kernel transposed", change_weight(lambda array: array.swapaxes(2, 3))),
    Mutation("INT8 weights", changes.every_weight(changes.quantised)),
    Mutation("bfloat16 weights", changes.every_weight(changes.as_bfloat16)),
    Mutation("FP16 model with bfloat16 weights", changes.every_weight(changes.as_bfloat16), ("fp16",)),
    Mutation("a bias dropped", changes.drop_bias),
    Mutation("a bias negated", changes.negate_bias),
    Mutation("mask polarity flipped", changes.flip_polarity),
    Mutation("mask ignored: zeros", changes.mask_times(0.0)),
    Mutation("mask ignored: ones", changes.mask_all_ones),
    Mutation("mask in 0..255", changes.mask_times(255.0)),
    Mutation("only mask values of 255 are hole", changes.only_255_is_hole),
    Mutation("mask shifted by one pixel", changes.roll_mask),
    Mutation("mask wider by one pixel", local_changes.widen_mask),
    Mutation("image in 0..255", local_changes.image_times(127.5)),
    Mutation("image given as zeros", local_changes.image_times(0.0)),
    Mutation("image shifted by one pixel", changes.roll_image),
    Mutation("output shifted right by one pixel", changes.roll_output(3)),
    Mutation("output shifted down by one pixel", changes.roll_output(2)),
    Mutation("one layer shifted by one pixel", changes.shift_a_layer),
    Mutation("one layer pads with its border", local_changes.pad_with_edge),
    Mutation("output transposed", changes.transpose_output),
    Mutation("output mirrored", changes.mirror_output),
    Mutation("colours swapped after the network", changes.swap_colours),
    Mutation("colours swapped before the network", changes.swap_colours_before),
    Mutation("images of the batch swapped", changes.swap_images),
    Mutation("first image for the whole batch", changes.first_for_all),
    Mutation("masks of the batch swapped", changes.swap_masks),
    Mutation("second image of the batch times 0.98", local_changes.second_image_times(0.98)),
    Mutation("green times 1.01", local_changes.green_times(1.01)),
    Mutation("last column off by 0.05", local_changes.add_at(slice(None), slice(-1, None), 0.05)),
    Mutation("one pixel off by 0.2", local_changes.add_at(slice(9, 10), slice(20, 21), 0.2)),
    Mutation("output within -0.5..0.5", local_changes.clip_output),
    Mutation("output of zeros", local_changes.no_output),
    Mutation("gamma 1.02", changes.gamma),
    Mutation("output times 1.01", changes.output_op("Mul", 1.01)),
    Mutation("output plus 0.004 (half a level)", changes.output_op("Add", 0.004)),
    Mutation("output through another tanh", changes.output_op("Tanh")),
    Mutation("image brightened after the network", changes.brighten_image),
    Mutation("levels plus a half before rounding", changes.before_rounding("Add", 0.5)),
    Mutation("levels at most 250", changes.before_rounding("Min", 250.0)),
    Mutation("rounded down", changes.rounding("Floor")),
    Mutation("rounded up", changes.rounding("Ceil")),
    Mutation("composition inverted", changes.invert_composition),
    Mutation("network's image everywhere", changes.compose_from(1)),
    Mutation("given image everywhere: nothing filled", changes.compose_from(2)),
    Mutation("known pixels off by one", changes.known_pixels_off_by_one),
    Mutation("composition of wider holes", local_changes.composition_of_wider_holes),
    Mutation("nearest made bilinear", changes.nearest_made_bilinear),
    Mutation("activation 5 % steeper, or another", changes.other_activation),
    Mutation("an activation dropped", changes.drop_activation),
    Mutation("noise of 0.01", changes.noise(0.01)),
    Mutation("noise of 0.000001", changes.noise(1e-6)),
    Mutation("dropout of 1 %", changes.dropout),
    Mutation("updated mask inverted", changes.invert_updated_mask),
    Mutation("updated mask all ones", changes.full_updated_mask),
    Mutation("output hidden", changes.hide_output),
)
