"""The backend `native`: kernels for the CPU in C++ (see native/README.md at the top of the repository).

The kernels compute valid time steps only, and the threads of a forward pass do not wait for each other.

    kernels.py       the cells that have a kernel, and what each kernel saves for the backward pass
    loader.py        loads the compiled module and selects the instruction set
    supported.py     which calls the kernels support, and when another backend is probably faster
    autograd.py      a padded batch with gradients: `BACKEND`, and the autograd function around the kernels
    packed_index.py  the order of the valid time steps in the kernels
    lazy_zeros.py    zeros that take memory only where they are written
    small_batch.py   a few time steps of a small batch without gradients
    fast_path.py     the same for one layer, without the checks of the other path
    int8.py          a padded batch with 8-bit weights, without gradients
    stepper.py       single time steps of streams, on packed weights, also with 8 bits
    _native          the compiled module; `_native.pyi` declares its types

The arguments of a kernel are passed by name, so their order has no meaning. `FastPath` and `NativeStepper` are imported from
their files, because the tables of timings, which `FastPath` reads, depend on this package.
"""

from __future__ import annotations

from .autograd import BACKEND

__all__ = ["BACKEND"]
