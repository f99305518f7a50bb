"""Compares all gradient rules on one task: docs/regimes.md.

    python examples/gradient_rules.py [--cell lstm] [--steps 60] [--draws 40]

An LSTM reads sequences of numbers and names the sign of each number, and after the last one that of the first one, so that both
short and long dependencies have a gradient. The weights are fixed: the gradients are compared, not the training.

cosine     between the gradient of the rule and the full gradient; for random rules, the mean over the draws
bias       distance of the expected gradient from the full one, relative to its norm; for random rules, of the mean of the
           draws, with its standard error
memory     most bytes that are allocated at one time, above those before
time       relative to full backpropagation
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.nn import Recurrent
from recurra.nn.pooling import LastPooling, PoolState
from recurra.tasks.objective import Objective, gathered
from recurra.training.rules import ARTBP, RTRL, TBPTT, CheckpointedBPTT, GradientRule, RandomLength, SnAp1


class Signs(Objective):
    """The cross-entropy of the sign of each number, and of the first one at the end."""

    has_steps = True

    def __init__(self, cell: str, *, B: int, T: int, H: int) -> None:
        torch.manual_seed(0)
        layer = Recurrent(cell, 1, H, forget_bias=2.0) if "lstm" in cell else Recurrent(cell, 1, H)
        network = nn.ModuleDict({"layer": layer, "here": nn.Linear(H, 2), "first": nn.Linear(H, 2)}).double()
        super().__init__(network, layer, torch.full((B,), T), LastPooling(H))
        self.here, self.first = network["here"], network["first"]
        self.x = torch.randn(B, T, 1, dtype=torch.float64)
        self.targets = (self.x[..., 0] > 0).long()
        self.samples: list[int] | None = None  # of the allocated memory

    def inputs(self, index: Tensor) -> Tensor:
        """The numbers."""
        return gathered(self.x, index)

    def step_loss(self, y: Tensor, index: Tensor, counted: Tensor) -> Tensor:
        """The mean over all numbers of all sequences."""
        if self.samples is not None:
            self.samples.append(allocated_bytes())
        targets = gathered(self.targets, index)
        return F.cross_entropy(self.here(y)[counted], targets[counted], reduction="sum") / self.targets.numel()

    def final_loss(self, pooled: PoolState, ended: Tensor) -> Tensor:
        """The mean over all sequences."""
        return F.cross_entropy(self.first(pooled[0])[ended], self.targets[ended, 0], reduction="sum") / len(
            self.targets
        )


class MallInfo(ctypes.Structure):
    """What the C library (glibc) says about allocated memory: ten numbers, of which two are used here."""

    _fields_ = [(name, ctypes.c_size_t) for name in ("a", "b", "c", "d", "mapped", "f", "g", "used", "i", "j")]


def allocated_bytes() -> int:
    """The bytes that are allocated now; 0 where the C library does not say."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return 0
    mallinfo.restype = MallInfo
    found = mallinfo()
    return int(found.used + found.mapped)


def measured(rule: GradientRule, objective: Signs) -> tuple[Tensor, float]:
    """The gradient of the recurrent layer, and the seconds of the processor that a rule takes."""
    objective.network.zero_grad()
    began = time.process_time()
    rule.gradient(objective, None, lambda loss: loss.backward())
    seconds = time.process_time() - began
    gradient = torch.cat([value.grad.flatten() for value in objective.recurrent.parameters() if value.grad is not None])
    return gradient, seconds


def memory_of(rule: GradientRule, objective: Signs) -> int:
    """The most bytes that are allocated when windows are read and backward passes begin, less those before."""
    objective.network.zero_grad(set_to_none=False)
    before = allocated_bytes()
    objective.samples = []
    rule.gradient(objective, None, lambda loss, weight=1.0: (objective.samples.append(allocated_bytes()), loss.backward()))  # type: ignore[func-returns-value]
    most = max(objective.samples) - before
    objective.samples = None
    return most


def main() -> None:
    """Print a table with a row for each rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", default="lstm", help="name of the cell")
    parser.add_argument("--steps", type=int, default=60, help="time steps of a sequence")
    parser.add_argument("--hidden", type=int, default=8, help="units of the layer")
    parser.add_argument("--draws", type=int, default=40, help="draws of the random rules")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # tiny layers: threads would wait for each other
    objective = Signs(arguments.cell, B=32, T=arguments.steps, H=arguments.hidden)
    rules: dict[str, Callable[[], GradientRule]] = {
        "bptt": lambda: CheckpointedBPTT(8, recompute=False),
        "bptt, 8 segments": lambda: CheckpointedBPTT(8),
        "tbptt, k1 = k2 = 10": lambda: TBPTT(10, 10),
        "tbptt, k1 = 5, k2 = 20": lambda: TBPTT(5, 20),
        "artbp, k1 = 5, k2 = 20": lambda: ARTBP(5, 20),
        "random_length, k1 = 10": lambda: RandomLength(10, 10),
        "snap1": SnAp1,
        "rtrl": RTRL,
    }
    measured(rules["bptt"](), objective)  # the first call is slower
    full, unit = measured(rules["bptt"](), objective)
    print(f"{arguments.cell}, {arguments.hidden} units, {arguments.steps} time steps")
    print(f"{'rule':24}{'cosine':>8}{'bias':>18}{'memory':>12}{'time':>8}")
    for name, rule in rules.items():
        draws = arguments.draws if name.startswith(("artbp", "random")) else 1
        results = [measured(rule(), objective) for _ in range(draws)]
        gradients = torch.stack([gradient for gradient, _ in results])
        bias = (gradients.mean(0) - full).norm() / full.norm()
        cosine = F.cosine_similarity(gradients, full[None]).mean()
        error = f" +- {gradients.std(0).norm() / draws**0.5 / full.norm():.3f}" if draws > 1 else ""
        memory = memory_of(rule(), objective) / 1024
        seconds = sum(seconds for _, seconds in results) / draws
        print(f"{name:24}{cosine:8.3f}{f'{bias:.3f}{error}':>18}{memory:9.0f} KB{seconds / unit:8.1f}")


if __name__ == "__main__":
    main()
