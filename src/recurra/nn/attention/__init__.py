r"""Attention over a memory of vectors.

For each query, attention computes one weight per position of the memory and the weighted mean of the values:

    weights = softmax_n(score(query, key_n))        context = sum_n weights_n * value_n

The scoring rules differ in `score`. For a query q of size Q and a key k of size K:

    additive  v . tanh(W [q; k] + b)      Bahdanau et al. 2015, arXiv:1409.0473
    dot       q . U k / sqrt(Q)           Luong et al. 2015, arXiv:1508.04025, with the scale of Vaswani et al. 2017,
                                          arXiv:1706.03762; U maps the key to the size of the query
    concat    (W [q; k] + b)_n            one key k for the whole memory; one output per position n, as in the PyTorch
                                          sequence-to-sequence tutorial. It depends on positions, not on their contents
    scaled_dot_product  q . k / sqrt(Q)   Vaswani et al. 2017, without learned parameters; Q = K

Shapes: B batch elements; S queries of each (the steps of a decoder, all at once or one at a time); N positions of the memory,
with padding; Q, K and V are the sizes of a query, a key and a value.

A memory is prepared once (`Attention.make_memory`) and then used for any number of queries (`Attention.forward`).
"""

from __future__ import annotations

from .base import Attention, Memory, masked_softmax
from .layers import Join, SelfAttention
from .rules import (
    RULES,
    AdditiveAttention,
    ConcatAttention,
    DotAttention,
    ScaledDotProductAttention,
    attention,
)

__all__ = [
    "RULES",
    "AdditiveAttention",
    "Attention",
    "ConcatAttention",
    "DotAttention",
    "Join",
    "Memory",
    "ScaledDotProductAttention",
    "SelfAttention",
    "attention",
    "masked_softmax",
]
