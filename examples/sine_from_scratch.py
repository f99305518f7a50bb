"""A recurrent network that learns a sine wave from its samples, in NumPy, with gradients derived by hand.

    python examples/sine_from_scratch.py [--sampling both] [--cell rnn] [--out sine.svg] [--seed 0]

The network reads a sample and predicts the next one. It is trained on chunks of the first part of the wave, which are
selected in one of two ways:

    random       chunks start anywhere, each from a state of zeros
    sequential   parallel sequences are read chunk by chunk; a chunk continues where the previous one ended and starts from
                 its final state, but the gradient does not pass between chunks (truncated BPTT, k1 = k2)

The gradient is clipped by norm, and Adagrad updates the parameters. Then the network predicts the second part of the wave:
one step ahead, where it reads the true value at each step, and free-running, where it reads its own prediction. The figure
shows both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from recurra.bptt import (
    GRU,
    LSTM,
    RNN,
    Adagrad,
    Array,
    Cell,
    Params,
    State,
    backward,
    clip_norm,
    forward,
    linear,
    linear_backward,
    linear_parameters,
    squared_error,
)

CELLS: dict[str, Cell] = {"rnn": RNN(), "lstm": LSTM(), "gru": GRU()}
SAMPLINGS = ("random", "sequential")
TRAIN, WARM_UP, FREE = 1000, 100, 100  # samples for training; to build up the state; to predict free-running
IGNORED = 8  # steps after a zero state without loss: one sample does not determine whether the wave rises or falls


class Model:
    """A recurrent network that predicts the next sample of the wave."""

    def __init__(self, cell: Cell, hidden: int, rng: np.random.Generator) -> None:
        self.cell = cell
        self.p: Params = cell.parameters(1, hidden, rng)
        self.q: Params = linear_parameters(hidden, 1, rng)

    def gradients(self, inputs: Array, targets: Array, state: State, ignored: int) -> tuple[float, list[Array], State]:
        """Return the mean squared error, gradients of the parameters and the final state, for inputs and targets (B, T).

        The first `ignored` time steps have no loss.
        """
        run = forward(self.cell, self.p, inputs[:, :, None], state)
        y = run.y[:, ignored:]
        loss, dz = squared_error(linear(y, self.q), targets[:, ignored:, None])
        dy = np.zeros_like(run.y)
        dy[:, ignored:], dq = linear_backward(dz, y, self.q)
        dp = backward(self.cell, self.p, run, dy).params
        return loss, [*dp.values(), *dq.values()], run.final_state

    def one_step_ahead(self, wave: Array) -> tuple[Array, State]:
        """Return the prediction for the sample after each one of wave (N,), and the final state."""
        run = forward(self.cell, self.p, wave[None, :, None])
        return linear(run.y, self.q)[0, :, 0], run.final_state

    def run_free(self, value: float, state: State, steps: int) -> Array:
        """Return (steps,) predictions, of which `value` is the first; each one is the next input."""
        values = [value]
        while len(values) < steps:
            state, _ = self.cell.step(np.array([[values[-1]]]), state, self.p)
            values.append(float(linear(state[0], self.q)[0, 0]))
        return np.array(values)


def random_chunks(
    wave: Array, batch_size: int, length: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array, bool]]:
    """Yield inputs and targets (B, T) that start anywhere, and True, because the state is reset; without end."""
    while True:
        at = rng.integers(0, len(wave) - length, batch_size)[:, None] + np.arange(length)
        yield wave[at], wave[at + 1], True


def sequential_chunks(
    wave: Array, batch_size: int, length: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array, bool]]:
    """Yield consecutive inputs and targets (B, T), and whether an epoch begins, without end.

    Each epoch starts at another offset.
    """
    while True:
        offset = rng.integers(0, length)
        sequence_length = (len(wave) - 1 - offset) // batch_size
        starts = offset + sequence_length * np.arange(batch_size)[:, None] + np.arange(length)
        for at in range(0, sequence_length - length + 1, length):
            yield wave[starts + at], wave[starts + at + 1], at == 0


def train(model: Model, wave: Array, sampling: str, options: argparse.Namespace, rng: np.random.Generator) -> None:
    """Train the model on `wave` for `options.steps` steps."""
    optimizer = Adagrad([*model.p.values(), *model.q.values()], options.learning_rate)
    sampler = {"random": random_chunks, "sequential": sequential_chunks}[sampling]
    batches = sampler(wave, options.batch_size, options.bptt_length, rng)
    state, losses = model.cell.zero_state(options.batch_size, model.p), []
    for step, (inputs, targets, is_new) in zip(range(1, options.steps + 1), batches, strict=False):
        if is_new:
            state = model.cell.zero_state(options.batch_size, model.p)
        loss, grads, state = model.gradients(inputs, targets, state, IGNORED if is_new else 0)
        if not np.isfinite(loss):
            raise SystemExit(f"the loss is {loss} at step {step}; a smaller --learning-rate may help")
        clip_norm(grads, options.clip)
        optimizer.rate = options.learning_rate * (1 - (step - 1) / options.steps)  # linear decay to zero
        optimizer.step(grads)
        losses.append(loss)
        if step % max(1, options.steps // 5) == 0:
            print(f"{sampling}, step {step}: mean squared error {np.mean(losses):.2e}", flush=True)
            losses = []


class Predictions(NamedTuple):
    """Predictions for the part of the wave after the training part: WARM_UP samples that are read, then FREE more."""

    sampling: str
    wave: Array  # (WARM_UP + FREE,)
    ahead: Array  # (WARM_UP + FREE,), each predicted from the true samples before it; NaN for the first one
    free: Array  # (FREE,), predictions of the last samples without reading any of them


def predict(model: Model, wave: Array, sampling: str) -> Predictions:
    """Predict `wave` (WARM_UP + FREE,) one step ahead and free-running."""
    ahead, _ = model.one_step_ahead(wave[:-1])
    value, state = model.one_step_ahead(wave[:WARM_UP])
    return Predictions(sampling, wave, np.array([np.nan, *ahead]), model.run_free(float(value[-1]), state, FREE))


def largest_errors(result: Predictions) -> tuple[float, float]:
    """Return the largest errors over the last FREE steps, one step ahead and free-running, in percent of the amplitude."""
    truth = result.wave[WARM_UP:]
    return tuple(100 * float(np.abs(values[-FREE:] - truth).max()) for values in (result.ahead, result.free))


# The figure, an SVG file: the waves for each way of sampling, and the errors below.

TRUE_STYLE, AHEAD_STYLE, FREE_STYLE = (
    'stroke="#c3c8d0" stroke-width="6"',
    'stroke="#1d4ed8" stroke-width="1.6" stroke-dasharray="5 4"',
    'stroke="#f08c3a" stroke-width="2.6"',
)
GREY = 'text-anchor="middle" fill="#6b7280"'
LEFT, WIDTH, HEAD, WAVES, ERRORS = 70, 800, 70, 190, 90  # geometry of the axes in pixels; ERRORS and WAVES are heights


def text(x: float, y: float, content: str, attributes: str = "") -> str:
    """Return an SVG text element."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{content}</text>'


def panel(
    top: float, height: float, ticks: list[float], curves: list[tuple[Array, str]], name: str, numbered: bool
) -> list[str]:
    """Return axes over the last WARM_UP + FREE steps with curves, each of which ends at the last step."""
    low, high, steps = ticks[0], ticks[-1], WARM_UP + FREE

    def across(step: float) -> float:
        return LEFT + WIDTH * step / steps

    def up(value: float) -> float:
        return top + height * (high - value) / (high - low)

    box = f'x="{LEFT}" y="{top}" width="{WIDTH}" height="{height}"'
    out = [f'<clipPath id="at{top}"><rect {box}/></clipPath>', f'<rect {box} fill="none" stroke="#9aa1ac"/>']
    for tick in ticks:
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{up(tick):.1f}" y2="{up(tick):.1f}" stroke="#e6e8ec"/>')
        out.append(text(LEFT - 8, up(tick) + 4, f"{tick:g}", 'text-anchor="end"'))
    x = across(WARM_UP)
    out.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="#6b7280" stroke-dasharray="2 3"/>'
    )
    for values, style in curves:
        start = steps - len(values)
        points = " ".join(f"{across(start + k):.1f},{up(v):.1f}" for k, v in enumerate(values) if np.isfinite(v))
        out.append(
            f'<polyline points="{points}" fill="none" stroke-linejoin="round" clip-path="url(#at{top})" {style}/>'
        )
    for step in range(0, steps + 1, 20) if numbered else ():
        out.append(text(across(step), top + height + 17, f"{TRAIN + step}", 'text-anchor="middle"'))
    middle = top + height / 2
    out.append(text(20, middle, name, f'text-anchor="middle" transform="rotate(-90 20 {middle})"'))
    return out


def draw(results: list[Predictions], title: str) -> str:
    """Return the figure as SVG."""
    largest = max(max(largest_errors(result)) for result in results)
    scale = next((limit for limit in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if largest <= limit), 100.0)
    panel_height = HEAD - 20 + WAVES + 15 + ERRORS + 45
    height, width = HEAD + panel_height * len(results), LEFT + WIDTH + 30
    out = [text(LEFT, 26, title, 'font-size="17" font-weight="bold"')]
    for x, style, label in (
        (0, TRUE_STYLE, "true wave"),
        (150, AHEAD_STYLE, "one step ahead"),
        (330, FREE_STYLE, "free-running"),
    ):
        out.append(f'<line x1="{LEFT + x}" x2="{LEFT + x + 34}" y1="48" y2="48" {style}/>')
        out.append(text(LEFT + x + 42, 52, label))
    for k, result in enumerate(results):
        top = HEAD + panel_height * k + 30
        ahead, free = largest_errors(result)
        caption = (
            f"largest error over {FREE} steps: one step ahead {ahead:.2f} %, free-running {free:.2f} % of the amplitude"
        )
        out.append(text(LEFT, top - 10, f"{result.sampling} sampling", 'font-weight="bold"'))
        out.append(text(LEFT + WIDTH, top - 10, caption, 'text-anchor="end"'))
        waves = [(result.wave, TRUE_STYLE), (result.free, FREE_STYLE), (result.ahead, AHEAD_STYLE)]
        out += panel(top, WAVES, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5], waves, "wave", False)
        out.append(text(LEFT + WIDTH / 4, top + 16, "reads the wave", GREY))
        out.append(text(LEFT + WIDTH * 3 / 4, top + 16, "free-running: no input from the wave", GREY))
        errors = [
            (100 * np.abs(result.free - result.wave[WARM_UP:]), FREE_STYLE),
            (100 * np.abs(result.ahead - result.wave), AHEAD_STYLE),
        ]
        out += panel(top + WAVES + 15, ERRORS, [0, scale / 2, scale], errors, "error, %", True)
        out.append(text(LEFT + WIDTH / 2, top + WAVES + 15 + ERRORS + 36, "step", 'text-anchor="middle"'))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#1f2937">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(out) + "\n</svg>\n"
    )


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
    add(
        "--sampling",
        choices=[*SAMPLINGS, "both"],
        default="both",
        help="How chunks are selected (default %(default)s).",
    )
    add("--cell", choices=list(CELLS), default="rnn", help="The recurrent cell (default %(default)s).")
    add("--hidden", type=positive(int), default=32, help="Size of the hidden state (default %(default)s).")
    add("--batch-size", type=positive(int), default=16, help="Number of parallel sequences (default %(default)s).")
    add("--bptt-length", type=positive(int), default=32, help="Time steps per chunk, which limits the reach of gradients "
        "(default %(default)s).")  # fmt: skip
    add("--steps", type=positive(int), default=2000, help="Number of training steps (default %(default)s).")
    add(
        "--learning-rate",
        type=positive(float),
        default=0.03,
        help="Initial learning rate of Adagrad; it decays to zero (default %(default)s).",
    )
    add("--clip", type=positive(float), default=1.0, help="Limit for the norm of the gradient (default %(default)s).")
    add("--period", type=positive(float), default=25.7, help="Period of the wave in samples (default %(default)s).")
    add("--seed", type=int, default=0, help="Random seed for initialization and sampling (default %(default)s).")
    add(
        "--out",
        type=Path,
        default=Path("sine.svg"),
        metavar="FILE",
        help="Output file of the figure (default %(default)s).",
    )
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}; expected 0 or more")
    if options.period <= 2:
        parser.error(f"--period is {options.period:g}; expected more than 2, because shorter periods cannot be sampled")
    if options.bptt_length <= IGNORED:
        parser.error(
            f"--bptt-length is {options.bptt_length}; expected more than {IGNORED}, the number of steps without loss"
        )
    if options.bptt_length * (options.batch_size + 1) >= TRAIN:
        parser.error(
            f"--batch-size {options.batch_size} and --bptt-length {options.bptt_length} require more than {TRAIN} samples"
        )
    if options.out.is_dir() or not options.out.parent.is_dir():
        parser.error(f"--out {options.out}: {'a folder' if options.out.is_dir() else 'no such folder'}")
    return parser, options


def main(arguments: list[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    parser, options = parse(arguments)
    wave = np.sin(2 * np.pi * np.arange(TRAIN + WARM_UP + FREE) / options.period)
    results = []
    try:
        for sampling in SAMPLINGS if options.sampling == "both" else (options.sampling,):
            rng = np.random.default_rng(options.seed)
            model = Model(CELLS[options.cell], options.hidden, rng)
            train(model, wave[:TRAIN], sampling, options, rng)
            results.append(predict(model, wave[TRAIN:], sampling))
            ahead, free = largest_errors(results[-1])
            print(f"{sampling}: largest error {ahead:.2f} % of the amplitude one step ahead, {free:.2f} % free-running")
        title = f"A sine wave of period {options.period:g}, predicted by {options.cell} with {options.hidden} units"
        options.out.write_text(draw(results, title), encoding="utf-8")
    except OSError as error:
        parser.error(f"--out {options.out}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
