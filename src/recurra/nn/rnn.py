"""The layer RNN, a drop-in replacement for `torch.nn.RNN`."""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor

from .. import cells
from .drop_in import DropIn
from .fx import Proxy, leaf
from .options import LayerOptions
from .reset import Reset
from .validate import Lengths


class RNN(DropIn):
    """Simple (Elman) recurrent layer, a drop-in replacement for `torch.nn.RNN`.

    At each time step t a layer computes

        h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    where x_t is the input of the layer and h_t its hidden state and output. With `nonlinearity="relu"`, ReLU replaces tanh.

    Reference: Elman 1990, Finding structure in time, Cognitive Science 14(2).

    Axes: B sequences, T time steps, I input features, H hidden features, L layers, D = 2 if bidirectional, otherwise 1.

    Args:
        input_size: number of input features, I.
        hidden_size: number of features of the hidden state, H.
        num_layers: number of stacked layers, L; each layer reads the output of the layer below. Default: 1.
        nonlinearity: "tanh" or "relu". Default: "tanh".
        bias: if False, the layer has no biases. Default: True.
        batch_first: if True, input and output are (B, T, features) instead of (T, B, features). The states are
            (L*D, B, features) in both cases. Default: False.
        dropout: probability of dropout on the output of each layer except the last. Training only. Default: 0.
        bidirectional: if True, each layer also reads the sequences backwards. Default: False.
        device: device of the parameters. Default: None, torch's default device.
        dtype: dtype of the parameters. Default: None, torch's default dtype.
        backend: "auto" or the name of the backend that must run the layer: "native", "torch" or "reference".
            Default: "auto".
        recurrent_dropout: dropout probability of h where the gates read it, with one mask per sequence for all time steps
            (Gal and Ghahramani 2016). Training only. Default: 0.
        zoneout: probability with which each state value keeps its previous value at a time step, one number or one per
            component, `{"h": p}` (Krueger et al. 2017). In evaluation the expected value is used. Default: 0.
        weight_drop: dropout probability of the recurrent weights, with one mask per call (Merity et al. 2018). Training
            only. Default: 0.
        learned_state: if True, the initial state is a parameter, zero at initialization; see *Parameters*. Default: False.
        merge: how the outputs of the two directions are combined: "concat", "sum", "mean" or "mul". Default: "concat".
        residual: if True, each layer except the first adds its input to its output. Default: False.

    Inputs: input, h_0, lengths, reset
        input: (T, B, I), (B, T, I) with `batch_first`, (T, I) without a batch axis, or a
            `torch.nn.utils.rnn.PackedSequence`.
        h_0: (L*D, B, H), or (L*D, H) without a batch axis; initial hidden state. Default: None, which is the learned
            initial state with `learned_state`, otherwise zeros.
        lengths: (B,), integers, a tensor or a list; number of valid time steps of each sequence. Results and
            gradients equal those of each sequence alone. Not with a `PackedSequence`. Default: None, all T steps are valid.
        reset: booleans (B, T), in this order also if time is the first axis, or pairs (sequence, time step); at
            these time steps a sequence restarts from the initial state of the layer. Default: None.

    Outputs: output, h_n
        output: (T, B, D*H), (B, T, D*H) with `batch_first`, or (T, D*H); zero in the padding; a `PackedSequence` if
            the input is one. With a `merge` other than "concat" the last axis has H features.
        h_n: (L*D, B, H), or (L*D, H); hidden state after the last valid time step of each sequence, in the reverse
            direction after its first time step.

    Raises:
        CallError: (a ValueError) if an argument or the shape, dtype or value of an input is invalid. The error is also a
            TypeError or RuntimeError where torch.nn raises that type.
        BackendError: (a CallError) if the backend named by `backend` does not exist or does not support the call.

    Parameters: for each layer k = 0, ..., L-1, and with the suffix `_reverse` for the reverse direction:
        weight_ih_l{k}: (H, I) for k = 0, (H, D*H) above; input weights.
        weight_hh_l{k}: (H, H); recurrent weights.
        bias_ih_l{k}, bias_hh_l{k}: (H,) each; biases.
        h0_l{k}: (H,); initial state, with `learned_state` only.

    Weights and biases are initialized from U(-1/sqrt(H), 1/sqrt(H)), with the same values as torch.nn for the same seed.

    Differences from torch.nn: T may be 0, sizes and dtypes of a state and of a `PackedSequence` are checked, and
    TorchScript is not supported. See docs/layers.md.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.RNN(input_size=5, hidden_size=8, num_layers=2, batch_first=True)
        >>> x = torch.randn(3, 9, 5)  # (B, T, I)
        >>> output, h_n = layer(x, lengths=[9, 2, 4])
        >>> output.shape, h_n.shape
        (torch.Size([3, 9, 8]), torch.Size([2, 3, 8]))
        >>> torch.equal(output[1, 1], h_n[-1, 1])  # the output at the last valid time step is the final state
        True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        backend: str = "auto",
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = cells.RNN(nonlinearity)
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend,
            options,
        )  # fmt: skip
        self.nonlinearity, self.mode = nonlinearity, f"RNN_{nonlinearity.upper()}"

    def forward(
        self, input: Any, hx: Tensor | None = None, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Any, Tensor]:
        """Return `output, h_n`. The documentation of the class describes arguments, shapes and exceptions."""
        if isinstance(input, Proxy):
            return leaf(self, input, hx, lengths=lengths, reset=reset)  # type: ignore[no-any-return]
        y, (h,) = self._forward(input, None if hx is None else (hx,), lengths, reset)
        return y, h
