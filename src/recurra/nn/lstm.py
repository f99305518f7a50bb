"""The layer LSTM, a drop-in replacement for `torch.nn.LSTM`."""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor

from .. import cells
from ..cells.lstmp import LSTMP
from .drop_in import DropIn
from .fx import Proxy, leaf
from .options import LayerOptions
from .reset import Reset
from .validate import Lengths, check_size


class LSTM(DropIn):
    """Long short-term memory layer, a drop-in replacement for `torch.nn.LSTM`.

    At each time step t a layer computes

        i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    where x_t is the input of the layer, h_t its hidden state and output, c_t its cell state, i_t, f_t and o_t the input,
    forget and output gates, g_t the candidate, and * the elementwise product. With `proj_size`, the hidden state is
    projected: h_t = W_hr (o_t * tanh(c_t)).

    References: Hochreiter and Schmidhuber 1997, Long short-term memory, Neural Computation 9(8); Gers, Schmidhuber and
    Cummins 2000, Learning to forget, Neural Computation 12(10); projection: Sak, Senior and Beaufays 2014, arXiv:1402.1128.

    Axes: B sequences, T time steps, I input features, H hidden features, L layers, D = 2 if bidirectional, otherwise 1.

    Args:
        input_size: number of input features, I.
        hidden_size: number of features of the hidden state, H.
        num_layers: number of stacked layers, L; each layer reads the output of the layer below. Default: 1.
        bias: if False, the layer has no biases. Default: True.
        batch_first: if True, input and output are (B, T, features) instead of (T, B, features). The states are
            (L*D, B, features) in both cases. Default: False.
        dropout: probability of dropout on the output of each layer except the last. Training only. Default: 0.
        bidirectional: if True, each layer also reads the sequences backwards. Default: False.
        proj_size: number of features of a projected hidden state, P with 0 < P < H, or 0 for no projection. Below, P stands
            for H if proj_size is 0. Default: 0.
        device: device of the parameters. Default: None, torch's default device.
        dtype: dtype of the parameters. Default: None, torch's default dtype.
        backend: "auto" or the name of the backend that must run the layer: "native", "torch" or "reference".
            Default: "auto".
        recurrent_dropout: dropout probability of h where the gates read it, with one mask per sequence for all time steps
            (Gal and Ghahramani 2016). Training only. Default: 0.
        zoneout: probability with which each state value keeps its previous value at a time step, one number or one per
            component, `{"h": p, "c": q}` (Krueger et al. 2017). In evaluation the expected value is used. Default: 0.
        weight_drop: dropout probability of the recurrent weights, with one mask per call (Merity et al. 2018). Training
            only. Default: 0.
        forget_bias: sum of the two biases of the forget gate at initialization (Gers et al. 2000), or None for the
            initialization of torch.nn. Default: None.
        learned_state: if True, the initial state is a parameter, zero at initialization; see *Parameters*. Default: False.
        merge: how the outputs of the two directions are combined: "concat", "sum", "mean" or "mul". Default: "concat".
        residual: if True, each layer except the first adds its input to its output. Default: False.

    Inputs: input, (h_0, c_0), lengths, reset
        input: (T, B, I), (B, T, I) with `batch_first`, (T, I) without a batch axis, or a
            `torch.nn.utils.rnn.PackedSequence`.
        h_0: (L*D, B, P), or (L*D, P) without a batch axis; initial hidden state.
        c_0: (L*D, B, H), or (L*D, H) without a batch axis; initial cell state. Default of both: the learned initial state
            with `learned_state`, otherwise zeros.
        lengths: (B,), integers, a tensor or a list; number of valid time steps of each sequence. Results and
            gradients equal those of each sequence alone. Not with a `PackedSequence`. Default: None, all T steps are valid.
        reset: booleans (B, T), in this order also if time is the first axis, or pairs (sequence, time step); at
            these time steps a sequence restarts from the initial state of the layer. Default: None.

    Outputs: output, (h_n, c_n)
        output: (T, B, D*P), (B, T, D*P) with `batch_first`, or (T, D*P); zero in the padding; a `PackedSequence` if
            the input is one. With a `merge` other than "concat" the last axis has P features.
        h_n: (L*D, B, P), or (L*D, P); hidden state after the last valid time step of each sequence, in the reverse
            direction after its first time step.
        c_n: (L*D, B, H), or (L*D, H); the cell state there.

    Raises:
        CallError: (a ValueError) if an argument or the shape, dtype or value of an input is invalid. The error is also a
            TypeError or RuntimeError where torch.nn raises that type.
        BackendError: (a CallError) if the backend named by `backend` does not exist or does not support the call.

    Parameters: for each layer k = 0, ..., L-1, and with the suffix `_reverse` for the reverse direction:
        weight_ih_l{k}: (4*H, I) for k = 0, (4*H, D*P) above; input weights, rows in the gate order i, f, g, o.
        weight_hh_l{k}: (4*H, P); recurrent weights, in the same order.
        bias_ih_l{k}, bias_hh_l{k}: (4*H,) each; biases, in the same order.
        weight_hr_l{k}: (P, H); projection, with `proj_size` only.
        h0_l{k}: (P,), c0_l{k}: (H,); initial state, with `learned_state` only.

    Weights and biases are initialized from U(-1/sqrt(H), 1/sqrt(H)), with the same values as torch.nn for the same seed.

    Differences from torch.nn: T may be 0, sizes and dtypes of a state and of a `PackedSequence` are checked, and
    TorchScript is not supported. See docs/layers.md.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.LSTM(input_size=5, hidden_size=8, num_layers=2, batch_first=True, proj_size=4)
        >>> x = torch.randn(3, 9, 5)  # (B, T, I)
        >>> output, (h_n, c_n) = layer(x, lengths=[9, 2, 4])
        >>> output.shape, h_n.shape, c_n.shape
        (torch.Size([3, 9, 4]), torch.Size([2, 3, 4]), torch.Size([2, 3, 8]))
        >>> bool(output[1, 2:].eq(0).all())  # padding
        True
        >>> output, state = layer(x[:, :4])  # a chunk, and the rest with the state passed on
        >>> output, state = layer(x[:, 4:], state)
    """

    mode = "LSTM"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        backend: str = "auto",
        **options: Unpack[LayerOptions],
    ) -> None:
        proj_size = check_size("proj_size", proj_size, minimum=0)
        cell = cells.LSTM() if proj_size == 0 else LSTMP(proj_size)
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend,
            options,
        )  # fmt: skip
        self.proj_size = proj_size

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Return `output, (h_n, c_n)`. The documentation of the class describes arguments, shapes and exceptions."""
        if isinstance(input, Proxy):
            return leaf(self, input, hx, lengths=lengths, reset=reset)  # type: ignore[no-any-return]
        y, (h, c) = self._forward(input, hx, lengths, reset)
        return y, (h, c)
