"""The 3-bit flip-flop of Sussillo and Barak 2013: each of three outputs is the sign of the last pulse of its input.

`python tests/flipflop.py` trains each cell with five seeds and reports the fixed points that are found.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra import inspection, nn


def trials(B: int, T: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pulses of +1 or -1 with probability 0.1, all three at the first step, and the values that they set, (B, T, 3)."""
    signs = torch.randint(0, 2, (B, T, 3), generator=generator) * 2.0 - 1
    pulses = torch.where(torch.rand(B, T, 3, generator=generator) < 0.1, signs, torch.zeros(()))
    pulses[:, 0] = signs[:, 0]
    values = [pulses[:, 0]]
    for t in range(1, T):
        values.append(torch.where(pulses[:, t] != 0, pulses[:, t], values[-1]))
    return pulses, torch.stack(values, 1)


def train(cell: str, seed: int, hidden_size: int = 32, steps: int = 600) -> tuple[nn.Recurrent, torch.nn.Linear]:
    """A trained layer and its readout."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    layer, readout = nn.Recurrent(cell, 3, hidden_size), torch.nn.Linear(hidden_size, 3)
    parameters = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x, targets = trials(64, 30, generator)
        loss = (readout(layer(x)[0]) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    return layer, readout


def answers(readout: torch.nn.Linear, states: Any) -> set[tuple[float, ...]]:
    """The signs of the three outputs at some states (P, H), without repetition."""
    with torch.no_grad():
        return {tuple(row) for row in readout(torch.from_numpy(states).float()).sign().tolist()}


def main() -> None:
    for cell in ("rnn", "gru", "lstm"):
        for seed in range(5):
            layer, readout = train(cell, seed)
            begin = time.perf_counter()
            found = inspection.fixed_points(layer)
            seconds = time.perf_counter() - begin
            stable = found.points[found.stable][:, : layer.hidden_size]
            unstable = np.bincount(found.unstable).tolist()
            print(f"{cell} seed {seed}: {len(stable)} stable points, {len(answers(readout, stable))} answers; "
                  f"points by number of unstable directions {unstable}; search {seconds:.1f} s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
