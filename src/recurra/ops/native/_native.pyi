"""The compiled kernels. native/module.cpp defines them, and native/call.h explains the fields.

A tensor must have the dtype that `is_double` says (indices are int64), lie on the CPU, and stay alive until the kernel has
returned. Unless strides are mentioned, it must be contiguous.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

def targets() -> list[str]:
    """The instruction sets of this machine, the widest first."""

def run_sequence(
    *,
    target: str,
    backward: bool,
    threads: int,
    gomp_parallel: int,
    cell: str,
    is_double: bool,
    save_for_backward: bool,
    T: int,
    B: int,
    I: int,
    H: int,
    D: int,
    step_offsets: Tensor,
    batch_sizes: Tensor,
    lengths: Tensor,
    batch_indices: Tensor,
    x: Tensor,  # (B, T, I) with any strides of the first two axes
    y: Tensor,  # (B, T, D*H), likewise
    saved: Tensor | None,
    initial_state: Tensor,
    final_state: Tensor | None,
    weight_ih: list[Tensor],  # by direction, as all lists
    weight_hh: list[Tensor],
    bias_ih: list[Tensor],
    bias_hh: list[Tensor],
    scale_ih: list[Tensor],  # for 8-bit weights, else empty
    scale_hh: list[Tensor],
    recurrent_dropout_mask: list[Tensor | None],
    zoneout_mask: list[list[Tensor | None]],  # by direction and state component; (T, B, H) with any strides of T and B
    grad_x: Tensor | None,  # (B, T, I) with any strides of the first two axes
    grad_y: Tensor | None,  # (B, T, D*H), likewise
    grad_initial_state: Tensor | None,
    grad_final_state: Tensor | None,
    grad_weight_ih: list[Tensor | None],
    grad_weight_hh: list[Tensor | None],
    grad_bias_ih: list[Tensor | None],
    grad_bias_hh: list[Tensor | None],
) -> None:
    """The forward or backward pass of one layer."""

def run_small(
    *,
    target: str,
    threads: int,
    gomp_parallel: int,
    cell: str,
    is_double: bool,
    T: int,
    B: int,
    I: int,
    H: int,
    D: int,
    x: Tensor,  # (B, T, I) with any strides of the first two axes
    y: Tensor,
    initial_state: list[Tensor],  # by direction, then component
    final_state: list[Tensor],
    weight_ih: list[Tensor],  # by direction
    weight_hh: list[Tensor],
    bias_ih: list[Tensor],
    bias_hh: list[Tensor],
) -> None:
    """A few time steps of a small batch."""

def peak_operations(*, target: str, threads: int, gomp_parallel: int, seconds: float) -> float:
    """The largest number of float32 operations per second that a loop of multiply-adds reaches within `seconds`."""

class FastPath:
    """Checks the tensors of a few time steps of one layer, and runs them. `names` are its parameters in the cell's order."""

    def __init__(
        self,
        *,
        target: str,
        gomp_parallel: int,
        cell: str,
        H: int,
        names: list[str],
        tensor: type,
        parameter: type,
        float32: torch.dtype,
        float64: torch.dtype,
        max_steps: int,
        max_batch: int,
    ) -> None: ...
    def run(
        self,
        *,
        x: Tensor,
        time_first: bool,
        state: Sequence[Tensor] | None,
        leading_axes: int,
        parameters: Mapping[str, Tensor | None],
        threads: int,
    ) -> list[Tensor] | None: ...

class Stepper:
    """Single time steps of a stack of layers. It accepts other attributes, to keep the tensors of its layers alive."""

    tensors: list[Tensor]

    def __init__(self, *, target: str, threads: int, gomp_parallel: int) -> None: ...
    def packed_size(self, *, cell: str, is_double: bool, K: int, H: int) -> int: ...
    def pack(self, *, cell: str, is_double: bool, K: int, H: int, weight: Tensor, packed: Tensor) -> None: ...
    def add_layer(
        self,
        *,
        cell: str,
        is_double: bool,
        unpacked: bool,
        B: int,
        I: int,
        H: int,
        x_stride: int,
        x: Tensor,
        state: Tensor,
        scratch: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        scale_ih: Tensor | None,
        scale_hh: Tensor | None,
        quantized: Tensor | None,
    ) -> None: ...
    def __call__(self) -> None: ...
