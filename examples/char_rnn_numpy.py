"""The minimal character model: a vanilla RNN that learns to write like a text, in NumPy, its gradients worked out by hand.

    python examples/char_rnn_numpy.py FILE [--hidden 256] [--minutes 5 | --steps N] [--learning-rate 0.02] [--seed 0]

FILE is any text in UTF-8. The first 90 % of it are learned from: cut into rows that are read side by side, a window of
steps at a time. A window begins with the state in which the one before it ended; the gradient stops there (truncated BPTT,
k1 = k2). Gradients are clipped number by number, Adagrad takes the steps, and now and then the network shows what it
writes. The last 10 % are read once, at the end, from start to end: nats per character on text it has not learned from.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from recurra.bptt import (
    RNN,
    Adagrad,
    Params,
    State,
    backward,
    clip_value,
    cross_entropy,
    forward,
    linear,
    linear_backward,
    linear_parameters,
    softmax,
)

Codes = NDArray[np.int64]
REPORTED = 0.1  # the share at the end of the text that is not learned from


class Model:
    """Characters in, scores of the next character out."""

    def __init__(self, alphabet: str, hidden: int, rng: np.random.Generator) -> None:
        self.alphabet, self.cell = alphabet, RNN("tanh")
        self.onehot = np.eye(len(alphabet), dtype=np.float32)
        self.p: Params = self.cell.parameters(len(alphabet), hidden, rng, np.float32)
        self.q: Params = linear_parameters(hidden, len(alphabet), rng, np.float32)

    def gradients(self, inputs: Codes, targets: Codes, state: State) -> tuple[float, list[Any], State]:
        """inputs and targets (B, T) -> nats per character, gradients of the parameters, the state after the window."""
        ran = forward(self.cell, self.p, self.onehot[inputs], state)
        loss, dz = cross_entropy(linear(ran.y, self.q), targets)
        dz *= inputs.shape[1]  # what is descended is the sum over time, as is usual here: `--clip` is meant for it
        dy, dq = linear_backward(dz, ran.y, self.q)
        dp = backward(self.cell, self.p, ran, dy).params
        return loss, [*dp.values(), *dq.values()], ran.last

    def read(self, codes: Codes, chunk: int = 1000) -> float:
        """Nats per character of a text (N,), read once from start to end; each character but the first is foretold."""
        state, total = self.cell.zero_state(1, self.p), 0.0
        for at in range(0, len(codes) - 1, chunk):
            piece = codes[None, at : at + chunk + 1]
            ran = forward(self.cell, self.p, self.onehot[piece[:, :-1]], state)
            loss, _ = cross_entropy(linear(ran.y, self.q), piece[:, 1:])
            state, total = ran.last, total + loss * (piece.size - 1)
        return total / (len(codes) - 1)

    def write(self, length: int, first: int, rng: np.random.Generator) -> str:
        """`length` characters, each drawn from what the network says of it, the first after the character `first`."""
        state, code, text = self.cell.zero_state(1, self.p), first, []
        for _ in range(length):
            state, _ = self.cell.step(self.onehot[[code]], state, self.p)
            chances = softmax(linear(state[0], self.q).astype(np.float64))[0]
            code = int(rng.choice(len(chances), p=chances))
            text.append(self.alphabet[code])
        return "".join(text)


def windows(codes: Codes, rows: int, length: int) -> Iterator[tuple[Codes, Codes, bool]]:
    """For ever: inputs and targets (B, T), and whether a new pass over the text begins. Row b is the b-th stretch of the
    text, and each window goes on where the one before it ended; what is left over at the end of a stretch is not read."""
    stretch = (len(codes) - 1) // rows
    starts = stretch * np.arange(rows)[:, None] + np.arange(length)
    while True:
        for at in range(0, stretch - length + 1, length):
            yield codes[starts + at], codes[starts + at + 1], at == 0


def learn(model: Model, codes: Codes, options: argparse.Namespace, rng: np.random.Generator) -> None:
    """Take steps until they, or the minutes, are over; show the loss and a sample every `options.every` steps."""
    descent = Adagrad([*model.p.values(), *model.q.values()], options.learning_rate)
    state = model.cell.zero_state(options.rows, model.p)
    begin, seen, losses = time.monotonic(), 0, []
    for step, (inputs, targets, anew) in enumerate(windows(codes, options.rows, options.window), start=1):
        if anew:
            state = model.cell.zero_state(options.rows, model.p)
        loss, grads, state = model.gradients(inputs, targets, state)
        if not np.isfinite(loss):
            raise SystemExit(f"the loss is {loss} at step {step}; a smaller --learning-rate may help")
        clip_value(grads, options.clip)
        descent.step(grads)
        losses.append(loss)
        seen += inputs.size
        seconds = time.monotonic() - begin
        over = step == options.steps or (options.steps is None and seconds >= 60 * options.minutes)
        if step % options.every == 0 or over:
            passes = seen / len(codes)
            print(f"step {step}: loss {np.mean(losses):.3f} nats a character, {passes:.2f} passes, {seconds:.0f} s")
            losses = []
            if options.sample:
                print(indented(model.write(options.sample, int(inputs[0, 0]), rng)), flush=True)
        if over:
            return


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


class Parser(argparse.ArgumentParser):
    """Bad input is told in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def above_zero(kind: type) -> Any:
    def read(word: str) -> Any:
        number = kind(word)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{word} is not a number above 0")
        return number

    read.__name__ = {int: "whole number", float: "number"}[kind]
    return read


def parse(words: list[str] | None) -> tuple[Parser, argparse.Namespace]:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("file", metavar="FILE", type=Path, help="a text in UTF-8")
    add("--hidden", type=above_zero(int), default=256, help="features of the hidden state (%(default)s)")
    add("--rows", type=above_zero(int), default=16, help="rows that are read side by side (%(default)s)")
    add("--measurements", type=above_zero(int), default=32, help="steps of a window: how far gradients reach (%(default)s)")
    add("--learning-rate", type=above_zero(float), default=0.02, help="of Adagrad (%(default)s)")
    add("--clip", type=above_zero(float), default=5.0, help="largest number in a gradient (%(default)s)")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--minutes", type=above_zero(float), default=5.0, help="learn for so long (%(default)s)")
    end.add_argument("--steps", type=above_zero(int), help="or take so many steps, which can be repeated to the bit")
    add("--every", type=above_zero(int), default=2000, help="steps between two samples (%(default)s)")
    add("--sample", type=int, default=200, help="characters of a sample, 0 for none (%(default)s)")
    add("--seed", type=int, default=0, help="of the first parameters and the samples (%(default)s)")
    options = parser.parse_args(words)
    for name in ("sample", "seed"):
        if getattr(options, name) < 0:
            parser.error(f"--{name} is {getattr(options, name)}; wanted 0 or more")
    return parser, options


def main(words: list[str] | None = None) -> int:
    parser, options = parse(words)
    try:
        text = options.file.read_bytes().decode("utf-8")
    except OSError as error:
        parser.error(f"{options.file}: {error.strerror or error}")
    except UnicodeDecodeError as error:
        parser.error(f"{options.file} is not UTF-8: byte {error.object[error.start]:#04x} at {error.start:,}")
    alphabet = "".join(sorted(set(text)))
    codes = np.array([{c: k for k, c in enumerate(alphabet)}[c] for c in text], dtype=np.int64)
    cut = len(codes) - int(REPORTED * len(codes))
    wanted = options.rows * options.window + 1
    if cut < wanted or len(codes) - cut < 2:
        parser.error(
            f"{options.file} has {len(codes):,} characters, {cut:,} to learn from; {options.rows} rows of windows of "
            f"{options.window} want {wanted:,}, so take more text, or fewer --rows, or a shorter --measurements"
        )
    rng = np.random.default_rng(options.seed)
    model = Model(alphabet, options.hidden, rng)
    print(f"{cut:,} characters to learn from, {len(codes) - cut:,} to report on, {len(alphabet)} distinct", flush=True)
    try:
        learn(model, codes[:cut], options, rng)
        print(f"held out: {model.read(codes[cut:]):.3f} nats a character over the last {len(codes) - cut:,} characters")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
