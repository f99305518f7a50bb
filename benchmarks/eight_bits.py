"""The loss of a language model with int8 weights: nats per character with `nn.Stepper`, in float32 and with int8.

    RECURRA_DATA=FOLDER python benchmarks/eight_bits.py [--minutes 1.6] [--even-if-busy]

One layer of 192 units is trained on the first 85 % of Tiny Shakespeare for that time, and evaluated on the next 24,000
characters in 16 streams.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from common import add_options, alone, data_folder, record, say

import recurra
from recurra import nn

STREAMS, STEPS = 16, 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.6, help="Training time in minutes for each cell (1.6).")
    add_options(parser)
    options = parser.parse_args()
    text = (data_folder() / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    end = int(0.85 * len(text))
    figures: dict[str, dict[str, float]] = {}
    with alone(options.even_if_busy) as watch, tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "train.txt"
        data.write_text(text[:end], encoding="utf-8")
        for cell in ("lstm", "gru"):
            say(f"training a {cell}")
            run = recurra.train(
                "language",
                data,
                out=Path(folder) / cell,
                cell=cell,
                tokenization="characters",
                num_layers=1,
                hidden_size=192,
                max_minutes=options.minutes,
            )
            ids = torch.as_tensor(run.task.dataset.vocabulary.encode(text[end : end + STREAMS * STEPS])).long()  # type: ignore[attr-defined]
            figures[cell] = {
                name: nats(run.network.eval(), ids.view(STREAMS, STEPS), name == "int8") for name in ("float32", "int8")
            }
            print(
                ", ".join(f"{name} {value:.5f}" for name, value in figures[cell].items()), f"nats per character, {cell}"
            )
        record("eight_bits", figures, watch=watch, threads=torch.get_num_threads())


def nats(network: torch.nn.Module, ids: torch.Tensor, int8: bool) -> float:
    """Return the mean surprisal of the next character over streams and steps; ids (STREAMS, STEPS)."""
    total = 0.0
    with torch.inference_mode():
        x = network.embedding(ids)  # type: ignore[operator]
        stepper = nn.Stepper(network.recurrent, streams=len(ids), int8=int8)  # type: ignore[arg-type]
        for t in range(ids.shape[1] - 1):
            stepper.x[:] = x[:, t]
            stepper()
            logits = network.output(network.bridge(stepper.y))  # type: ignore[operator]
            total += torch.nn.functional.cross_entropy(logits, ids[:, t + 1], reduction="sum").item()
    return total / ids[:, 1:].numel()


if __name__ == "__main__":
    main()
