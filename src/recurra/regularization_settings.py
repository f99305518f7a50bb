"""Settings of regularization, clipping, initialization and constraints, which every task has. docs/regularization.md."""

from __future__ import annotations

from typing import Literal

from .setting_fields import Group, setting


class LayerSettings(Group):
    """Settings that act on the recurrent layers and the embeddings of a network, whatever the task."""

    embedding_dropout: float = setting(
        0.0,
        ge=0,
        lt=1,
        description="Probability that a row of an embedding table is zero for a whole step: all occurrences of a word.",
    )
    initialization: Literal["default", "orthogonal", "identity", "chrono"] = setting(
        "default", description="Initialization of the recurrent layers."
    )
    chrono_steps: int | None = setting(
        None, ge=3, description="Longest memory of the chrono initialization in steps (the longest training sequence)."
    )
    recurrent_constraints: dict[str, bool | int | float] = setting(
        {}, description="Constraints on the recurrent matrices, such as {dale: 0.8, spectral_radius: 1.0}."
    )


class Regularization(Group):
    """Penalties that are added to the training loss, and the clipping of the gradient."""

    l1_input: float = setting(0.0, ge=0, description="L1 penalty on the input weights of the recurrent layers.")
    l1_recurrent: float = setting(0.0, ge=0, description="L1 penalty on the recurrent weights.")
    l1_bias: float = setting(0.0, ge=0, description="L1 penalty on the biases of the recurrent layers.")
    l2_input: float = setting(0.0, ge=0, description="L2 penalty on the input weights of the recurrent layers.")
    l2_recurrent: float = setting(0.0, ge=0, description="L2 penalty on the recurrent weights.")
    l2_bias: float = setting(0.0, ge=0, description="L2 penalty on the biases of the recurrent layers.")
    activation_penalty: float = setting(
        0.0, ge=0, description="Activation regularization (AR): penalty on the squared outputs of the encoder."
    )
    temporal_penalty: float = setting(
        0.0,
        ge=0,
        description="Temporal activation regularization (TAR): penalty on squared differences of its outputs.",
    )
    clip_value: float | None = setting(None, gt=0, description="Maximum absolute value of a gradient entry.")
    clip_adaptive: float | None = setting(
        None, gt=0, description="Maximum ratio of the norms of gradient and weights, for each unit."
    )
    clip_layer_norm: float | None = setting(
        None, gt=0, description="Maximum norm of the gradient of each layer of the network."
    )
    clip_norm: float | None = setting(1.0, gt=0, description="Maximum norm of the gradient; null for no clipping.")
