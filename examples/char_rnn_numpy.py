"""A minimal character-level language model: a vanilla RNN in NumPy, with gradients derived by hand.

    python examples/char_rnn_numpy.py FILE [--hidden 256] [--minutes 5 | --steps N] [--learning-rate 0.02] [--seed 0]

FILE is any text in UTF-8. The model is trained on the first 90 % of it, which is divided into parallel sequences. Each
step reads the next chunk of every sequence. A chunk starts from the final state of the previous one, but the gradient does
not pass between chunks (truncated BPTT, k1 = k2). Gradients are clipped by value, and Adagrad updates the parameters. From
time to time the model generates a sample. At the end it is evaluated on the last 10 %, in nats per character.
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
TEST_FRACTION = 0.1  # of the text, at its end


class Model:
    """A recurrent network that predicts the next character."""

    def __init__(self, alphabet: str, hidden: int, rng: np.random.Generator) -> None:
        self.alphabet, self.cell = alphabet, RNN("tanh")
        self.onehot = np.eye(len(alphabet), dtype=np.float32)
        self.p: Params = self.cell.parameters(len(alphabet), hidden, rng, np.float32)
        self.q: Params = linear_parameters(hidden, len(alphabet), rng, np.float32)

    def gradients(self, inputs: Codes, targets: Codes, state: State) -> tuple[float, list[Any], State]:
        """Return nats per character, gradients of the parameters and the final state, for inputs and targets (B, T)."""
        run = forward(self.cell, self.p, self.onehot[inputs], state)
        loss, dz = cross_entropy(linear(run.y, self.q), targets)
        dz *= inputs.shape[1]  # gradient of the sum over time, as is usual for this model and expected by `--clip`
        dy, dq = linear_backward(dz, run.y, self.q)
        dp = backward(self.cell, self.p, run, dy).params
        return loss, [*dp.values(), *dq.values()], run.final_state

    def evaluate(self, codes: Codes, chunk: int = 1000) -> float:
        """Return the nats per character of a text (N,). Each character except the first is predicted."""
        state, total = self.cell.zero_state(1, self.p), 0.0
        for at in range(0, len(codes) - 1, chunk):
            batch = codes[None, at : at + chunk + 1]
            run = forward(self.cell, self.p, self.onehot[batch[:, :-1]], state)
            loss, _ = cross_entropy(linear(run.y, self.q), batch[:, 1:])
            state, total = run.final_state, total + loss * (batch.size - 1)
        return total / (len(codes) - 1)

    def generate(self, length: int, prompt: int, rng: np.random.Generator) -> str:
        """Return `length` characters, each sampled from the predicted distribution, after the character `prompt`."""
        state, code, text = self.cell.zero_state(1, self.p), prompt, []
        for _ in range(length):
            state, _ = self.cell.step(self.onehot[[code]], state, self.p)
            probabilities = softmax(linear(state[0], self.q).astype(np.float64))[0]
            code = int(rng.choice(len(probabilities), p=probabilities))
            text.append(self.alphabet[code])
        return "".join(text)


def chunks(codes: Codes, batch_size: int, length: int) -> Iterator[tuple[Codes, Codes, bool]]:
    """Yield inputs and targets (B, T), and whether a new epoch begins, without end.

    The text is divided into B sequences. Each chunk continues where the previous one ended; an incomplete chunk at the end
    of the sequences is not used.
    """
    sequence_length = (len(codes) - 1) // batch_size
    starts = sequence_length * np.arange(batch_size)[:, None] + np.arange(length)
    while True:
        for at in range(0, sequence_length - length + 1, length):
            yield codes[starts + at], codes[starts + at + 1], at == 0


def train(model: Model, codes: Codes, options: argparse.Namespace, rng: np.random.Generator) -> None:
    """Train for the given steps or minutes; print the loss and a sample every `options.every` steps."""
    optimizer = Adagrad([*model.p.values(), *model.q.values()], options.learning_rate)
    state = model.cell.zero_state(options.batch_size, model.p)
    start, characters, losses = time.monotonic(), 0, []
    batches = chunks(codes, options.batch_size, options.bptt_length)
    for step, (inputs, targets, new_epoch) in enumerate(batches, start=1):
        if new_epoch:
            state = model.cell.zero_state(options.batch_size, model.p)
        loss, grads, state = model.gradients(inputs, targets, state)
        if not np.isfinite(loss):
            raise SystemExit(f"the loss is {loss} at step {step}; a smaller --learning-rate may help")
        clip_value(grads, options.clip)
        optimizer.step(grads)
        losses.append(loss)
        characters += inputs.size
        seconds = time.monotonic() - start
        is_last = step == options.steps or (options.steps is None and seconds >= 60 * options.minutes)
        if step % options.every == 0 or is_last:
            epochs = characters / len(codes)
            print(f"step {step}: loss {np.mean(losses):.3f} nats per character, {epochs:.2f} epochs, {seconds:.0f} s")
            losses = []
            if options.sample:
                print(indented(model.generate(options.sample, int(inputs[0, 0]), rng)), flush=True)
        if is_last:
            return


def indented(text: str) -> str:
    """Return the text with four spaces before each line."""
    return "\n".join(f"    {line}" for line in text.split("\n"))


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def positive(number_type: type) -> Any:
    """Return a function that parses a positive number of this type."""

    def parse_number(text: str) -> Any:
        number = number_type(text)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not a positive number")
        return number

    parse_number.__name__ = {int: "integer", float: "number"}[number_type]
    return parse_number


def parse(arguments: list[str] | None) -> tuple[Parser, argparse.Namespace]:
    """Return the parser and the parsed arguments."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("file", metavar="FILE", type=Path, help="A text in UTF-8.")
    add("--hidden", type=positive(int), default=256, help="Size of the hidden state (default %(default)s).")
    add("--batch-size", type=positive(int), default=16, help="Number of parallel sequences (default %(default)s).")
    add("--bptt-length", type=positive(int), default=32, help="Time steps per chunk, which limits the reach of gradients "
        "(default %(default)s).")  # fmt: skip
    add("--learning-rate", type=positive(float), default=0.02, help="Learning rate of Adagrad (default %(default)s).")
    add("--clip", type=positive(float), default=5.0, help="Limit for each value of a gradient (default %(default)s).")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--minutes", type=positive(float), default=5.0, help="Duration of training (default %(default)s).")
    end.add_argument(
        "--steps", type=positive(int), help="Number of steps instead of a duration; reproducible to the bit."
    )
    add("--every", type=positive(int), default=2000, help="Steps between two reports (default %(default)s).")
    add("--sample", type=int, default=200, help="Characters per sample; 0 disables samples (default %(default)s).")
    add("--seed", type=int, default=0, help="Random seed for initialization and samples (default %(default)s).")
    options = parser.parse_args(arguments)
    for name in ("sample", "seed"):
        if getattr(options, name) < 0:
            parser.error(f"--{name} is {getattr(options, name)}; expected 0 or more")
    return parser, options


def main(arguments: list[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    parser, options = parse(arguments)
    try:
        text = options.file.read_bytes().decode("utf-8")
    except OSError as error:
        parser.error(f"{options.file}: {error.strerror or error}")
    except UnicodeDecodeError as error:
        parser.error(f"{options.file} is not UTF-8: byte {error.object[error.start]:#04x} at {error.start:,}")
    alphabet = "".join(sorted(set(text)))
    codes = np.array([{c: k for k, c in enumerate(alphabet)}[c] for c in text], dtype=np.int64)
    train_size = len(codes) - int(TEST_FRACTION * len(codes))
    required = options.batch_size * options.bptt_length + 1
    if train_size < required or len(codes) - train_size < 2:
        parser.error(
            f"{options.file} has {len(codes):,} characters, {train_size:,} for training; --batch-size {options.batch_size} "
            f"and --bptt-length {options.bptt_length} require {required:,}; use more text or smaller values"
        )
    rng = np.random.default_rng(options.seed)
    model = Model(alphabet, options.hidden, rng)
    test_size = len(codes) - train_size
    print(f"{train_size:,} characters for training, {test_size:,} for the test, {len(alphabet)} distinct", flush=True)
    try:
        train(model, codes[:train_size], options, rng)
        print(
            f"test: {model.evaluate(codes[train_size:]):.3f} nats per character over the last {test_size:,} characters"
        )
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
