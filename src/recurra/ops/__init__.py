"""Runs a cell over time: the operators, the backends, and the choice between them.

A backend is one file or folder of its own (`reference.py`, `torch_rnn.py`, `native/`), one line in `dispatch.BACKENDS`, and
its section in the docs. Nothing else names it. The other files are shared by all backends:

    call.py              `Call`, what a backend receives, and `Backend`, what it has to provide
    dispatch.py          the list of backends and the choice for a call
    library.py           the operators `recurra::rnn`, `recurra::lstm`, ...
    eligibility.py       which kinds of kernels may run a call, or whether it has to be an operator
    ordinary_gradients.py  gradients without kernels, which can be differentiated again
    checks.py            checks of `lengths`
    axes.py              changes of the axes of a result that are no views
    variable_length.py   masks, time segments and reversal for padded batches
    timings.py           the table of measured times that `backend="auto"` uses; timing_tables/ has those of the package
    processor.py         the processor of this machine, which selects a table
    autotune.py          the measurement of that table, `recurra bench`
    threads.py           a context manager that sets the number of threads
"""

from __future__ import annotations

from .axes import exchange_first_axes, with_leading_axis
from .call import Backend, Call, watch
from .checks import check_lengths
from .dispatch import BACKENDS, BackendChoice, check_name, choose, names, plan
from .eligibility import traced, wants_operator
from .library import execute, operator_of, options_of
from .native.fast_path import FastPath
from .native.stepper import NativeStepper

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendChoice",
    "Call",
    "FastPath",
    "NativeStepper",
    "check_lengths",
    "check_name",
    "choose",
    "exchange_first_axes",
    "execute",
    "names",
    "operator_of",
    "options_of",
    "plan",
    "traced",
    "wants_operator",
    "watch",
    "with_leading_axis",
]
