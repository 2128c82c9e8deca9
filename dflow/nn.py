"""Neural networks: layers, activations, pooling, normalisation and losses.  Source: tf.nn of TensorFlow 1.15."""

from dflow.ops.array.depth import depth_to_space, space_to_depth
from dflow.ops.array.space import space_to_batch
from dflow.ops.candidates.sampled_losses import nce_loss, sampled_softmax_loss
from dflow.ops.candidates.samplers import (
    all_candidate_sampler,
    compute_accidental_hits,
    fixed_unigram_candidate_sampler,
    learned_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    uniform_candidate_sampler,
)
from dflow.ops.conv.conv import (
    conv1d,
    conv2d,
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv3d,
    conv3d_backprop_filter_v2,
)
from dflow.ops.conv.convolution import atrous_conv2d, convolution
from dflow.ops.conv.depthwise import (
    depthwise_conv2d,
    depthwise_conv2d_backprop_filter,
    depthwise_conv2d_backprop_input,
    depthwise_conv2d_native,
    depthwise_conv2d_native_backprop_filter,
    depthwise_conv2d_native_backprop_input,
    separable_conv2d,
)
from dflow.ops.conv.morphology import dilation2d, erosion2d
from dflow.ops.conv.space import with_space_to_batch
from dflow.ops.conv.transposed import (
    atrous_conv2d_transpose,
    conv1d_transpose,
    conv2d_transpose,
    conv3d_transpose,
    conv_transpose,
)
from dflow.ops.ctc.beam import ctc_beam_search_decoder, ctc_beam_search_decoder_v2
from dflow.ops.ctc.dense import collapse_repeated, ctc_loss_v2, ctc_unique_labels
from dflow.ops.ctc.greedy import ctc_greedy_decoder
from dflow.ops.ctc.loss import ctc_loss
from dflow.ops.embedding.lookup import embedding_lookup
from dflow.ops.embedding.safe import safe_embedding_lookup_sparse
from dflow.ops.embedding.sparse import embedding_lookup_sparse
from dflow.ops.linalg.norms import l2_normalize
from dflow.ops.math.hyperbolic import tanh
from dflow.ops.nn.activations import log_softmax, relu, sigmoid, softmax, softplus
from dflow.ops.nn.batch_norm import batch_norm_with_global_normalization, batch_normalization
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.dropout import dropout
from dflow.ops.nn.fused_batch_norm import fused_batch_norm
from dflow.ops.nn.layers import relu_layer, xw_plus_b, zero_fraction
from dflow.ops.nn.log_losses import log_poisson_loss, weighted_cross_entropy_with_logits
from dflow.ops.nn.losses import (
    l2_loss,
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from dflow.ops.nn.lrn import local_response_normalization, lrn
from dflow.ops.nn.moments import moments, normalize_moments, sufficient_statistics, weighted_moments
from dflow.ops.nn.rectifiers import crelu, elu, leaky_relu, relu6, selu, softsign, swish
from dflow.ops.nn.top_k import in_top_k
from dflow.ops.order.top_k import top_k
from dflow.ops.pool.any_rank import avg_pool_v2, max_pool_v2
from dflow.ops.pool.argmax import max_pool_with_argmax
from dflow.ops.pool.avg_pool import avg_pool, avg_pool1d, avg_pool2d, avg_pool3d
from dflow.ops.pool.fractional import fractional_avg_pool, fractional_max_pool
from dflow.ops.pool.max_pool import max_pool, max_pool1d, max_pool2d, max_pool3d
from dflow.ops.pool.pool import pool
from dflow.rnn import rnn_cell
from dflow.rnn.dynamic import bidirectional_dynamic_rnn, dynamic_rnn
from dflow.rnn.raw import raw_rnn
from dflow.rnn.static import static_bidirectional_rnn, static_rnn, static_state_saving_rnn

conv3d_backprop_filter = conv3d_backprop_filter_v2
silu = swish

__all__ = [
    "all_candidate_sampler",
    "atrous_conv2d",
    "atrous_conv2d_transpose",
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "avg_pool_v2",
    "batch_norm_with_global_normalization",
    "batch_normalization",
    "bias_add",
    "bidirectional_dynamic_rnn",
    "collapse_repeated",
    "compute_accidental_hits",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "conv3d",
    "conv3d_backprop_filter",
    "conv3d_backprop_filter_v2",
    "conv3d_transpose",
    "conv_transpose",
    "convolution",
    "crelu",
    "ctc_beam_search_decoder",
    "ctc_beam_search_decoder_v2",
    "ctc_greedy_decoder",
    "ctc_loss",
    "ctc_loss_v2",
    "ctc_unique_labels",
    "depth_to_space",
    "depthwise_conv2d",
    "depthwise_conv2d_backprop_filter",
    "depthwise_conv2d_backprop_input",
    "depthwise_conv2d_native",
    "depthwise_conv2d_native_backprop_filter",
    "depthwise_conv2d_native_backprop_input",
    "dilation2d",
    "dropout",
    "dynamic_rnn",
    "elu",
    "embedding_lookup",
    "embedding_lookup_sparse",
    "erosion2d",
    "fixed_unigram_candidate_sampler",
    "fractional_avg_pool",
    "fractional_max_pool",
    "fused_batch_norm",
    "in_top_k",
    "l2_loss",
    "l2_normalize",
    "leaky_relu",
    "learned_unigram_candidate_sampler",
    "local_response_normalization",
    "log_poisson_loss",
    "log_softmax",
    "log_uniform_candidate_sampler",
    "lrn",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool_v2",
    "max_pool_with_argmax",
    "moments",
    "nce_loss",
    "normalize_moments",
    "pool",
    "raw_rnn",
    "relu",
    "relu6",
    "relu_layer",
    "rnn_cell",
    "safe_embedding_lookup_sparse",
    "sampled_softmax_loss",
    "selu",
    "separable_conv2d",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "softplus",
    "softsign",
    "space_to_batch",
    "space_to_depth",
    "sparse_softmax_cross_entropy_with_logits",
    "static_bidirectional_rnn",
    "static_rnn",
    "static_state_saving_rnn",
    "sufficient_statistics",
    "swish",
    "tanh",
    "top_k",
    "uniform_candidate_sampler",
    "weighted_cross_entropy_with_logits",
    "weighted_moments",
    "with_space_to_batch",
    "xw_plus_b",
    "zero_fraction",
]
