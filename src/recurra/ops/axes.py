"""Changes of the axes of a new result, in place where that is possible.

A view cannot be detached in place, nor changed in place once some other output of its node is a view too. torch.nn returns
no views, and a caller may write `h.detach_()`. Only the shape and the strides change, so a change in place costs no more than
a view. Under a trace, a transform or a mode, and for a subclass of Tensor, the result is a view.
"""

from __future__ import annotations

from torch import Tensor

from .eligibility import fast_path_may_run


def exchange_first_axes(y: Tensor) -> Tensor:
    """y (A, B, ...) as (B, A, ...). Nothing else may hold y, also not the node that has computed it."""
    return y.transpose_(0, 1) if fast_path_may_run(y) and not y._is_view() else y.transpose(0, 1)


def with_leading_axis(component: Tensor) -> Tensor:
    """A component (...) of a state as (1, ...). Nothing else may hold it, also not the node that has computed it."""
    return component.unsqueeze_(0) if fast_path_may_run(component) else component.unsqueeze(0)
