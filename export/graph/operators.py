"""Every class of ONNX operators that the passes tell apart; each set is named by what its operators have in common.

Sets are small on purpose: an operator belongs to one only if that was checked, so an operator that nobody thought of
is treated with care.
"""

# What an operator computes

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})

PRODUCTS = CONVOLUTIONS | {"Gemm", "MatMul"}
"""Operators that multiply features by weights, or features by features, and add up; where the multiply-adds are."""

UNCOUNTED = frozenset({"DFT", "DeformConv", "Einsum", "GRU", "LSTM", "RNN", "STFT"})
"""Operators that multiply and add as well, and whose multiply-adds nobody counts."""

PRODUCTS_AND_EINSUM = PRODUCTS | {"Einsum"}
"""`PRODUCTS`, and the one whose multiply-adds nobody counts."""

QUERIES = frozenset({"Shape", "Size"})
"""Operators that ask for the shape of a value and not for its content."""

TRUTH = frozenset({"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"})
"""Operators that give 0 or 1."""

COMPARISONS = frozenset({"Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual"})
"""Operators whose truth depends on how large their operands are."""

INTEGER_RESULTS = TRUTH | {"Ceil", "Floor", "Round", "Sign"}
"""Operators whose results are integers, whatever their operands are."""

ARITHMETIC = frozenset({"Add", "Div", "Mul", "Neg", "Sub", "Where"})
"""Operators that pass on how large their operands are."""

BROADCASTING = frozenset({"Add", "Div", "Equal", "Greater", "Less", "Max", "Min", "Mul", "Sub", "Where"})
"""Operators whose operands broadcast."""

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Operators that draw random numbers; Dropout does where its `training_mode` is true."""

SOFTMAX = frozenset({"LogSoftmax", "Softmax"})

NORMS = frozenset(
    {"LpNormalization", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceSum", "ReduceSumSquare"}
)
"""Operators that add up many values, as norms and means do."""

SQUARES = frozenset({"Abs", "Mul", "Pow"})
"""Operators that, of one value, make what a norm adds up."""

FP32_ONLY = (NORMS | SOFTMAX) | {
    "CumSum", "Exp", "GroupNormalization", "InstanceNormalization", "LayerNormalization", "Log", "Pow", "ReduceProd",
    "RMSNormalization",
}  # fmt: skip
"""Operators whose sums, powers or exponentials leave the FP16 range on ordinary features."""

# Which places of their operands a result depends on

POINTWISE = TRUTH | {
    "Abs", "Add", "Cast", "Ceil", "Clip", "Div", "Exp", "Expand", "Floor", "HardSigmoid", "Identity", "IsInf", "IsNaN",
    "LeakyRelu", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign",
    "Sqrt", "Sub", "Tanh", "Where",
}  # fmt: skip
"""Operators whose result at a place depends only on their operands at that place."""

POINTWISE_OF_MASKS = TRUTH | {
    "Abs", "Add", "Cast", "Clip", "Div", "Identity", "Max", "Min", "Mul", "Neg", "Reciprocal", "Relu", "Sub", "Where",
}  # fmt: skip
"""Those of `POINTWISE` that masks are made of, and that no attribute makes depend on the number of channels."""

POINTWISE_AROUND_UPSAMPLING = frozenset({"Add", "Clip", "LeakyRelu", "Mul", "Relu", "Sub"})
"""Those of `POINTWISE` that networks apply between upsampling and convolution."""

POINTWISE_BEFORE_MASKING = frozenset({"Add", "LeakyRelu", "Relu", "Sub"})
"""Those of `POINTWISE` that may stand between a product with a ratio and the mask."""

CHANNEL_BY_CHANNEL = frozenset({"AveragePool", "MaxPool", "Pad", "Resize", "Slice"})
"""Operators that treat all channels alike and none with another, unless they are told to do otherwise."""

OVER_CHANNELS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"})
"""Operators that may take all channels together."""

SAME_FOR_EQUAL_CHANNELS = frozenset({"ReduceMax", "ReduceMin", "ReduceProd"})
"""Those of `OVER_CHANNELS` that give the same for equal zeros and ones, however many there are."""

COMPUTED_NARROW = CHANNEL_BY_CHANNEL | POINTWISE_OF_MASKS | {"Concat", "Conv", "Gather", "Split"}
"""Operators whose wide result is worth making of a narrow one; what merely repeats a plane is not."""

REPEATS = frozenset({"Expand", "Tile"})
"""Operators that repeat a value along an axis."""

# Which operators only move values

VIEWS = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators whose result can share the memory of their operand."""

MOVES = VIEWS | {"Cast", "Concat", "Expand", "Gather", "Pad", "Slice", "Transpose"}
"""Operators that compute nothing: every number of the result is one of an operand, or a padding."""

WITHIN_RANGE = VIEWS | {
    "Cast", "Expand", "Gather", "GlobalAveragePool", "ReduceMax", "ReduceMean", "ReduceMin", "Resize", "Slice",
    "Split", "Tile", "Transpose",
}  # fmt: skip
"""Operators that give values of their first operand, or (Resize, means) values between them."""

CUTS = VIEWS | {"Gather", "Pad", "Slice", "Split", "Transpose"}
"""Operators of one value that patches are cut out of a map with."""

NO_LARGER = (MOVES | {"AveragePool", "MaxPool", "Relu", "Sigmoid", "Split", "Tanh"}) - {"Pad"}
"""Operators whose results are no larger than their operands, or than 1."""

ONE_NUMBER = frozenset({"Cast", "CastLike", "Gather", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that pass on the one number they are given first."""

TRANSPARENT = frozenset({"Cast", "Expand", "Identity"})
"""Operators that a formula leaves out."""

OF_WEIGHTS = frozenset(
    {"Abs", "Add", "Cast", "Concat", "Div", "Gather", "Mul", "Neg", "Pow", "Reciprocal", "ReduceL2", "ReduceMean",
     "ReduceSum", "ReduceSumSquare", "Reshape", "Slice", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze"}
)  # fmt: skip
"""Operators that networks compute weights with."""

# What a positive factor does

LINEAR = WITHIN_RANGE | {
    "AveragePool", "DepthToSpace", "GlobalMaxPool", "LeakyRelu", "MaxPool", "Neg", "PRelu", "ReduceSum", "Relu",
    "SpaceToDepth",
}  # fmt: skip
"""Operators of one feature operand that commute with a positive factor as they are."""

ACTIVATIONS = frozenset({"LeakyRelu", "PRelu", "Relu"})
"""Those of `LINEAR` that follow a convolution."""

ADDITIVE = frozenset({"Add", "Clip", "Concat", "Max", "Min", "Sub", "Sum", "Where"})
"""Operators that commute with a positive factor if all of their operands carry it."""

# Where an operator stands in a layer

WITHIN_LAYER = frozenset({"Add", "Cast", "Div", "Mul", "Sub", "Where"})
"""What a partial convolution consists of between its convolution and its activation."""

BEFORE_CONVOLUTION = frozenset({"Cast", "Concat", "Identity", "Pad", "Resize"})
"""What may stand between the product with the mask and the convolution."""

KEEP_DIVISOR = frozenset({"Cast", "Clip", "Div", "Expand", "Identity", "Mul", "Sqrt", "Where"})
"""What may stand between a division by the mask sum and the ratio that features are multiplied by."""

OF_NORMS = frozenset(
    {"Add", "Cast", "Clip", "Div", "Expand", "Identity", "Max", "Min", "Mul", "Pow", "Reciprocal", "ReduceMax",
     "Reshape", "Sqrt", "Squeeze", "Sub", "Unsqueeze"}
)  # fmt: skip
"""Operators that make of a norm what features are divided by."""
