"""Which nodes of an exported model no engine of TensorRT can take, found out at once and not when engines are built.

Where TensorRT-RTX is installed its own parser is asked, with the whole model. Elsewhere a list of operators says so:
what the parser of TensorRT-RTX 1.7 answers for each operator of ONNX (`supports_operator`), which TensorRT shares.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx

UNSUPPORTED = frozenset(
    {
        "AffineGrid", "Bernoulli", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor",
        "CenterCropPad", "Col2Im", "Compress", "ConcatFromSequence", "ConvInteger", "CumProd", "DFT", "DeformConv",
        "Det", "DynamicQuantizeLinear", "ImageDecoder", "MatMulInteger", "MaxRoiPool", "MaxUnpool", "MelWeightMatrix",
        "Multinomial", "NegativeLogLikelihoodLoss", "Optional", "OptionalGetElement", "OptionalHasElement",
        "QLinearConv", "QLinearMatMul", "RegexFullMatch", "STFT", "SequenceAt", "SequenceConstruct", "SequenceEmpty",
        "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "SoftmaxCrossEntropyLoss",
        "SplitToSequence", "StringConcat", "StringNormalizer", "StringSplit", "SwiGLU", "TfIdfVectorizer", "Unique",
    }
)  # fmt: skip

REMEDIES: Mapping[str, str] = {
    "Col2Im": "write fold as a transposed convolution with a constant weight of ones and zeros",
    "Compress": "write x[mask] as torch.where(mask, x, 0), which keeps the shape",
    "DFT": "transform along the last two axes, which the export writes as matrix products",
    "DeformConv": "write the deformable convolution with grid_sample",
    "MaxUnpool": "write the unpooling as an upsampling times the mask of the largest values",
    "NonZero": "write x[mask] = v as torch.where(mask, v, x)",
    "Unique": "give the values beforehand; how many there are must not depend on the image",
}

OTHERWISE = "write that line with other operators, or run the bundle with ONNX Runtime, which takes it"

STACK = "pkg.torch.onnx.stack_trace"
"""Where PyTorch's exporter keeps the lines of Python that a node comes from."""


@dataclass(frozen=True)
class Unsupported:
    """One node that no engine takes.

    Args:
        operator, node: its kind and its name, or that of what it makes.
        line: FILE:LINE of the user's code that it comes from, with the code; empty if the graph does not say.
        reason: the library's own words, or where the list is from.
        remedy: what can be done.
    """

    operator: str
    node: str
    line: str
    reason: str
    remedy: str


def unsupported_nodes(model: bytes) -> list[Unsupported]:
    """The nodes of an ONNX file that TensorRT and TensorRT-RTX cannot take, one for each operator and line."""
    graph = onnx.load_from_string(model).graph
    nodes = list(_nodes(graph))
    refused = _ask_parser(model, {node.op_type for node in nodes})
    if refused is None:
        refused = dict.fromkeys(UNSUPPORTED, "TensorRT has no such operator")
    found: dict[tuple[str, str], Unsupported] = {}
    for node in nodes:
        reason = refused.get(node.op_type) or refused.get(f"node {node.name}" if node.name else "")
        if reason is not None:
            name = node.name or (node.output[0] if node.output else "")
            line = _source_line(node)
            remedy = REMEDIES.get(node.op_type, OTHERWISE)
            found.setdefault((node.op_type, line), Unsupported(node.op_type, name, line, reason, remedy))
    return list(found.values())


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of graphs within nodes too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _ask_parser(model: bytes, operators: set[str]) -> dict[str, str] | None:
    """What TensorRT-RTX's parser refuses, by operator or as `node NAME`, with its words; None without the library."""
    try:
        library: Any = importlib.import_module("tensorrt_rtx")
    except ImportError:
        return None

    class Silent(library.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            library.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            """Its words are in the parser's errors."""

    logger = Silent()
    builder = library.Builder(logger)
    network = builder.create_network(0)
    parser = library.OnnxParser(network, logger)
    version = f"TensorRT-RTX {library.__version__}"
    missing = sorted(name for name in operators if not parser.supports_operator(name))
    if missing:
        return dict.fromkeys(missing, f"{version} has no such operator")
    parser.supports_model_v2(model)
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    return {f"node {error.node_name()}": f"{version}: {' '.join(error.desc().split())}" for error in errors}


def _source_line(node: onnx.NodeProto) -> str:
    """The innermost line of the user's code, `FILE:LINE: CODE`."""
    trace = next((entry.value for entry in node.metadata_props if entry.key == STACK), "")
    frames = re.findall(r'File "([^"]+)", line (\d+)[^\n]*\n\s*([^\n]*)', trace)
    own = [frame for frame in frames if "/site-packages/" not in frame[0] and "/inpaintrt/" not in frame[0]]
    return "{}:{}: {}".format(*(own or frames)[-1]) if frames else ""
