"""What of Keras may stand in a file: classes that run no code of others and read no file.

A list, so that what Keras adds is refused until it was looked at. Left out are layers that hold
functions (Lambda), read vocabularies (StringLookup, IntegerLookup, TextVectorization) or saved
models (TFSMLayer), wrap other libraries, or whose settings alone make them large.
"""

from __future__ import annotations


def names(text):
    return frozenset(text.split())


# Activations that keras.activations.get knows; tests compare it with Keras' own list.
ACTIVATIONS = names("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
    linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus
    softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
    """)
INITIALIZERS = names("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal
    LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal
    VarianceScaling Zeros
    """)
# Further names of initializers that keras.initializers.get knows.
INITIALIZER_ALIASES = names("""
    constant glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal lecun_uniform
    normal one ones orthogonal random_normal random_uniform truncated_normal uniform
    variance_scaling zero zeros
    """)
REGULARIZERS = names("L1 L1L2 L2 OrthogonalRegularizer")
CONSTRAINTS = names("MaxNorm MinMaxNorm NonNeg UnitNorm")
LOSSES = names("""
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
    CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky
    """)
OPTIMIZERS = names("""
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon Nadam
    RMSprop SGD ScheduleFreeAdamW
    """)
SCHEDULES = names("""
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay
    PolynomialDecay
    """)
LAYERS = names("""
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
    AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D
    AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop
    Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D
    ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D
    Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU GRUCell
    GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell LayerNormalization
    LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness
    RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness
    RandomShear RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
    ReversibleEmbedding
    SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D
    SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells Subtract TimeDistributed
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D
    """)
# keras.ops in a functional model, by module; Map, Scan, Cond and the like hold functions.
OPERATIONS = {
    "keras.src.ops.numpy": names("""
        Abs Absolute Add All Amax Amin Any Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh
        Argmax Argmin Average BroadcastTo Cbrt Ceil Clip Concatenate Cos Cosh Cumprod Cumsum Deg2rad
        Diff Divide DivideNoNan Dot Einsum Equal Exp Exp2 ExpandDims Expm1 Flip Floor FloorDivide
        GetItem Greater GreaterEqual Hstack Hypot Isfinite Isinf Isnan Less LessEqual Log Log10
        Log1p Log2 Logaddexp LogicalAnd LogicalNot LogicalOr LogicalXor Matmul Max Maximum Mean
        Median Min Minimum Mod Moveaxis Multiply NanToNum Negative NotEqual OnesLike Outer Pad Power
        Prod Quantile Rad2deg Ravel Reciprocal Repeat Reshape Roll Round Sign Sin Sinh Sort Split
        Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot
        Tile Transpose Tril Triu TrueDivide Trunc Var Vstack Where ZerosLike
        """),
    "keras.src.ops.nn": names("""
        AveragePool Celu Conv ConvTranspose DepthwiseConv DotProductAttention Elu Gelu Glu
        HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax MaxPool
        Normalize OneHot RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink Softmax
        Softplus Softsign SparsePlus SparseSigmoid Sparsemax Squareplus TanhShrink Threshold
        """),
    "keras.src.ops.math": names("Erf Logsumexp Rsqrt TopK"),
    "keras.src.ops.core": names("Cast StopGradient"),
}
MODELS = {("keras", "Sequential"), ("keras.src.models.functional", "Functional")}

# (module, class) of what may stand in a place of each kind
CLASSES = {
    "activation": {("keras.layers", name) for name in ("ELU", "LeakyReLU", "ReLU", "Softmax")}
    | {("keras.layers", "PReLU"), ("keras.layers", "Activation"), ("keras.layers", "Identity")},
    "constraint": {("keras.constraints", name) for name in CONSTRAINTS},
    "dtype": {("keras", "DTypePolicy"), ("keras.dtype_policies", "DTypePolicy")},
    "initializer": {("keras.initializers", name) for name in INITIALIZERS},
    "layer": {("keras.layers", name) for name in LAYERS}
    | {(module, name) for module, names in OPERATIONS.items() for name in names}
    | MODELS,
    "loss": {("keras.losses", name) for name in LOSSES},
    "optimizer": {("keras.optimizers", name) for name in OPTIMIZERS},
    "regularizer": {("keras.regularizers", name) for name in REGULARIZERS},
    "schedule": {("keras.optimizers.schedules", name) for name in SCHEDULES},
}
