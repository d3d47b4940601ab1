"""The options of `export-onnx`: for each its type, its name if that is not the parameter's, its help and its panel."""

from pathlib import Path
from typing import Annotated

import typer

SIZES = "Sizes"
GRAPH = "The graphs that are written"
NETWORK = "A network of your own, or what its family does not say"
REPORT = "What is shown"

Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        help="Checkpoint of a known family. With --network: a file with that network's state dict.", show_default=False
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Bundle directory to write.", show_default=False)]

Network = Annotated[
    str | None,
    typer.Option(
        help="A network of your own: FILE.py:FACTORY or package.module:FACTORY. FACTORY() returns the nn.Module. "
        "validate-engines needs it again. See docs/own-network.md.",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]
NetworkArgs = Annotated[
    str | None,
    typer.Option(help="Keyword arguments for FACTORY, as a JSON object.", show_default=False, rich_help_panel=NETWORK),
]

Size = Annotated[
    str | None,
    typer.Option(
        help="HEIGHTxWIDTH, or one number for both, of a bundle with one size.  \\[default: 512x512]",
        show_default=False,
        rich_help_panel=SIZES,
    ),
]
Dynamic = Annotated[
    str | None,
    typer.Option(
        help="MIN,OPT,MAX instead, each HEIGHTxWIDTH or one number for both.", show_default=False, rich_help_panel=SIZES
    ),
]
Batch = Annotated[str, typer.Option(help="Batch size: N or MIN,OPT,MAX.", rich_help_panel=SIZES)]
FixedMask = Annotated[
    Path | None,
    typer.Option(
        help="Mask of a watermark or logo that never moves, non-zero = hole: the bundle takes no mask, and images "
        "of this size.  \\[default: masks of any kind]",
        show_default=False,
        rich_help_panel=SIZES,
    ),
]

InputOutput = Annotated[
    str,
    typer.Option(
        help="image: uint8 image and mask in, uint8 image out; tensor: float32 in the network's own range and "
        "polarity, the mask as one plane. Both runtimes, inpaint and inpaint-page need image.",
        rich_help_panel=GRAPH,
    ),
]
Precision = Annotated[str, typer.Option(help="fp32, fp16, or fp32,fp16 for both.", rich_help_panel=GRAPH)]
KeepFp32 = Annotated[
    list[str] | None,
    typer.Option(
        help="Node or value to keep in FP32, such as conv_3 or 'attention*'; validate-engines --suggest gives names. "
        "Repeatable.",
        show_default=False,
        rich_help_panel=GRAPH,
    ),
]
Optimize = Annotated[
    bool,
    typer.Option(
        "--optimize/--no-optimize",
        help="--no-optimize: torch.onnx.export's own graph, to compare.",
        rich_help_panel=GRAPH,
    ),
]

ImageRange = Annotated[
    str | None,
    typer.Option(
        help="What black and white are to the network, such as -1,1.  \\[default: 0,1]",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]
Mean = Annotated[str | None, typer.Option(help="R,G,B mean, with --std.", show_default=False, rich_help_panel=NETWORK)]
Std = Annotated[str | None, typer.Option(help="R,G,B standard deviation.", show_default=False, rich_help_panel=NETWORK)]
MaskPolarity = Annotated[
    str | None,
    typer.Option(
        help="What 1 means in the network's mask: valid (known) or hole.  \\[default: valid]",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]
MaskChannels = Annotated[
    int | None,
    typer.Option(
        help="Channels of the mask that the network's forward takes, 1 or 3. The bundle takes one plane, whatever --io "
        "is; with 3 the network is given that plane three times.  \\[default: 1]",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]
Premask = Annotated[
    bool | None,
    typer.Option(
        "--premask/--no-premask",
        help="Set holes of the image to 0 before the network.  \\[default: premask]",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]
OutputIndex = Annotated[
    int | None,
    typer.Option(help="Which output is the filled image.  \\[default: 0]", show_default=False, rich_help_panel=NETWORK),
]
SizeMultiple = Annotated[
    int | None,
    typer.Option(
        help="Height and width must be multiples of this.  \\[default: 1]", show_default=False, rich_help_panel=NETWORK
    ),
]
Sketch = Annotated[
    bool | None,
    typer.Option(
        "--sketch/--no-sketch",
        help="The bundle takes lines that guide the network, whose forward has a third argument 'sketch'.  "
        "\\[default: no-sketch]",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]

Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show each partial convolution found and what was done with it, and for each layer in FP32 the reason.",
        rich_help_panel=REPORT,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.", rich_help_panel=REPORT)
]
