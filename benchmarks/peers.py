"""Compares the recurrent layers of other libraries with recurra: torch.nn, Keras 3 on JAX and TensorFlow, Flax, ONNX Runtime.

    python benchmarks/peers.py [--only train,forward,step,int8] [--peers keras-jax,flax] [--even-if-busy]

Each library runs in a separate process, which is limited to as many cores as there are threads (two; one for single steps).
The libraries are timed alternately. A result is the median over the rounds of theirs / ours; above 1, recurra is faster. A
library that is not installed is skipped with a message: pip install keras jax flax tensorflow-cpu onnx onnxruntime.

The weights are random, of the same shapes, and float32. Training computes the gradient of a weighted sum of all outputs with
respect to the input and all weights, and is compiled if the library supports it. A step is one time step of one stream; its
state is passed from call to call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from common import Times, add_options, alone, record, say, stop

SIZES = [(32, 128, 128, 128), (32, 400, 100, 128), (32, 128, 256, 256)]  # B, T, I, H
CELLS = ("rnn", "gru", "lstm")
MANY = 200  # number of time steps of a stream per measurement
ROUNDS, WARM = 9, 2
WANTED = {64: 2.0, 128: 2.0, 256: 1.2, 512: 1.2}  # one step with hidden size H, against ONNX Runtime
WANTED_INT8 = 2.0
Case = dict[str, Any]
Work = Callable[[], object]


def cases(kinds: list[str]) -> list[Case]:
    """Return the cases to measure, in order."""
    found: list[Case] = []
    for kind in kinds:
        if kind in ("train", "forward"):
            found += [dict(zip("BTIH", size, strict=True), kind=kind, cell=c) for c in CELLS for size in SIZES]
        elif kind == "step":
            sizes = (64, 128, 256, 512)
            found += [{"kind": kind, "cell": c, "B": 1, "T": 1, "I": H, "H": H} for c in ("gru", "lstm") for H in sizes]
        elif kind == "int8":
            found += [{"kind": kind, "cell": "lstm", "B": 1, "T": 1, "I": H, "H": H} for H in (512, 1024)]
        else:
            stop(f"there is no part {kind!r}; the parts are train, forward, step, int8")
    return found


# --- the libraries: a function that runs a case once, or LookupError if the library does not support the case -----------


def by_torch(case: Case, *, ours: bool) -> Work:
    """Return the work of a case with torch.nn or, with `ours`, with recurra."""
    import torch

    from recurra import nn

    torch.set_num_threads(case["threads"])
    module = nn if ours else torch.nn
    layer = getattr(module, case["cell"].upper())(case["I"], case["H"], batch_first=True)
    x = torch.randn(case["B"], case["T"], case["I"])
    if case["kind"] == "train":
        x.requires_grad_()
        weight = torch.randn(case["B"], case["T"], case["H"])

        def step() -> None:
            layer.zero_grad()
            x.grad = None
            layer(x)[0].backward(weight)

        return step
    if case["kind"] == "forward":

        def forward() -> None:
            with torch.inference_mode():
                layer(x)

        return forward
    if ours:
        stepper = nn.Stepper(layer, int8=case["kind"] == "int8")
        return lambda: [stepper.step() for _ in range(MANY)]
    if case["kind"] == "int8":
        raise LookupError("torch.nn has no recurrent layer with 8-bit weights")

    def steps() -> None:
        state: Any = None
        with torch.inference_mode():
            for _ in range(MANY):
                _, state = layer(x, state)

    return steps


def by_keras(case: Case, backend: str) -> Work:
    """Return the work of a case with Keras 3."""
    os.environ["KERAS_BACKEND"] = backend
    import keras
    import numpy as np

    if case["kind"] not in ("train", "forward"):
        raise LookupError("single time steps are not measured")
    names = {"rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
    layer = getattr(keras.layers, names[case["cell"]])(case["H"], return_sequences=True)
    shape = (case["B"], case["T"], case["I"])
    layer.build(shape)
    random = np.random.default_rng(0)
    x, weight = random.normal(size=shape).astype("f"), random.normal(size=(*shape[:2], case["H"])).astype("f")
    if backend == "jax":
        import jax

        learnt = [variable.value for variable in layer.trainable_variables]
        others = [variable.value for variable in layer.non_trainable_variables]

        def outputs(learnt: Any, x: Any) -> Any:
            return layer.stateless_call(learnt, others, x)[0]

        made = jax.jit(jax.grad(lambda w, x: (outputs(w, x) * weight).sum(), argnums=(0, 1)))
        run = made if case["kind"] == "train" else jax.jit(outputs)
        given = jax.device_put(x)
        return lambda: jax.block_until_ready(run(learnt, given))
    import tensorflow as tf

    given, factor = tf.constant(x), tf.constant(weight)

    @tf.function
    def train() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            total = tf.reduce_sum(layer(given) * factor)
        return tape.gradient(total, [given, *layer.trainable_weights])

    work = train if case["kind"] == "train" else tf.function(lambda: [layer(given)])
    return lambda: [tensor.numpy() for tensor in work()]


def by_flax(case: Case) -> Work:
    """Return the work of a case with Flax."""
    import jax
    from flax import linen

    if case["kind"] not in ("train", "forward"):
        raise LookupError("single time steps are not measured")
    kinds = {"rnn": linen.SimpleCell, "gru": linen.GRUCell, "lstm": linen.OptimizedLSTMCell}
    layer = linen.RNN(kinds[case["cell"]](case["H"]))
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (case["B"], case["T"], case["I"]))
    weight = jax.random.normal(keys[1], (case["B"], case["T"], case["H"]))
    learnt = layer.init(keys[2], x)
    made = jax.jit(jax.grad(lambda w, x: (layer.apply(w, x) * weight).sum(), argnums=(0, 1)))
    run = made if case["kind"] == "train" else jax.jit(layer.apply)
    return lambda: jax.block_until_ready(run(learnt, x))


def by_onnx(case: Case) -> Work:
    """Return the work of a case with ONNX Runtime: one node with inputs and outputs that are bound once, the state included."""
    import tempfile

    import numpy as np
    import onnx
    import onnxruntime

    if case["kind"] == "train":
        raise LookupError("training with ONNX Runtime is not measured")
    B, T, I, H = (case[axis] for axis in "BTIH")
    gates, op = {"rnn": (1, "RNN"), "gru": (3, "GRU"), "lstm": (4, "LSTM")}[case["cell"]]
    random, number = np.random.default_rng(0), onnx.TensorProto.FLOAT
    shapes = {"W": (1, gates * H, I), "R": (1, gates * H, H), "B": (1, 2 * gates * H)}
    weights = [onnx.numpy_helper.from_array(random.normal(size=s).astype("f") / H**0.5, n) for n, s in shapes.items()]
    states = ["h", "c"] if case["cell"] == "lstm" else ["h"]
    value = onnx.helper.make_tensor_value_info
    inputs = [value("X", number, [T, B, I]), *(value(f"{s}0", number, [1, B, H]) for s in states)]
    outputs = [value("Y", number, [T, 1, B, H]), *(value(f"Y_{s}", number, [1, B, H]) for s in states)]
    names = ["X", "W", "R", "B", "", *(f"{s}0" for s in states)]
    more = {"linear_before_reset": 1} if case["cell"] == "gru" else {}
    node = onnx.helper.make_node(op, names, [one.name for one in outputs], hidden_size=H, **more)
    graph = onnx.helper.make_graph([node], "cell", inputs, outputs, weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    content = model.SerializeToString()
    if case["kind"] == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        with tempfile.TemporaryDirectory() as folder:
            onnx.save(model, f"{folder}/float.onnx")
            quantize_dynamic(f"{folder}/float.onnx", f"{folder}/int8.onnx", weight_type=QuantType.QInt8)
            content = onnx.load(f"{folder}/int8.onnx").SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case["threads"]
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    bound, value_of = session.io_binding(), onnxruntime.OrtValue.ortvalue_from_numpy
    bound.bind_ortvalue_input("X", value_of(random.normal(size=(T, B, I)).astype("f")))
    bound.bind_ortvalue_output("Y", value_of(np.zeros((T, 1, B, H), "f")))
    for s in states:
        bound.bind_ortvalue_input(f"{s}0", value_of(np.zeros((1, B, H), "f")))
        bound.bind_ortvalue_output(f"Y_{s}", value_of(np.zeros((1, B, H), "f")))
    times = 1 if case["kind"] == "forward" else MANY

    def run() -> None:
        for _ in range(times):
            session.run_with_iobinding(bound)

    return run


PEERS: dict[str, Callable[[Case], Work]] = {
    "recurra": lambda case: by_torch(case, ours=True),
    "torch.nn": lambda case: by_torch(case, ours=False),
    "keras-jax": lambda case: by_keras(case, "jax"),
    "keras-tensorflow": lambda case: by_keras(case, "tensorflow"),
    "flax": by_flax,
    "onnx": by_onnx,
}


# --- one process per library ---------------------------------------------------------------------------------------------


def serve(name: str) -> None:
    """Process the lines of the parent process: prepare a case, or run it once for `run` and return the time in seconds."""
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr  # the libraries print to standard error
    work: Work | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if request == "run":
            assert work is not None
            begin = time.perf_counter()
            work()
            answer["seconds"] = time.perf_counter() - begin
        else:
            try:
                work = PEERS[name](request)
            except (LookupError, ImportError) as error:
                answer["refuses"] = str(error)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Peer:
    """A library in a separate process."""

    def __init__(self, name: str, threads: int) -> None:
        cores = sorted(os.sched_getaffinity(0))[:threads]
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | quiet,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def ask(self, what: Any) -> dict[str, Any]:
        """Send a request to the process and return its answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"refuses": "its process exited"}

    def close(self) -> None:
        """Stop the process."""
        self.process.kill()
        self.process.wait()


@contextmanager
def started(names: Iterable[str], threads: int) -> Iterator[dict[str, Peer]]:
    """Start the libraries, and stop them at the end."""
    peers = {name: Peer(name, threads) for name in names}
    try:
        yield peers
    finally:
        for peer in peers.values():
            peer.close()


def compare(case: Case, peers: Mapping[str, Peer]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the ratio theirs / ours by name, and the reasons why other libraries were skipped."""
    refused = {name: why for name, peer in peers.items() if (why := peer.ask(case).get("refuses"))}
    going = [name for name in peers if name not in refused]
    if "recurra" in refused:
        stop(f"recurra does not support {case}: {refused['recurra']}")
    seconds: dict[str, list[float]] = {name: [] for name in going}
    for index in range(WARM + ROUNDS):
        for name in going[::-1] if index % 2 else going:
            time.sleep(0.02)  # until the threads of the previous library sleep
            answer = peers[name].ask("run")
            if "refuses" in answer:
                stop(f"{name}: {answer['refuses']}")
            if index >= WARM:
                seconds[name].append(answer["seconds"])
    times = Times(seconds)
    return {name: times.ratio(name, "recurra") for name in going if name != "recurra"}, refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", default="train,forward,step,int8", help="Parts of the benchmark, separated by commas."
    )
    parser.add_argument("--peers", default=",".join(list(PEERS)[1:]), help="Libraries, separated by commas.")
    parser.add_argument("--threads", type=int, default=2, help="Number of threads in training and forward passes (2).")
    parser.add_argument("--serve", choices=PEERS, help=argparse.SUPPRESS)
    add_options(parser)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    names = options.peers.split(",")
    if unknown := sorted(set(names) - set(PEERS)):
        stop(f"there is no library {unknown[0]!r}; the libraries are {', '.join(list(PEERS)[1:])}")
    every = cases(options.only.split(","))
    figures: dict[str, Any] = {}
    with alone(options.even_if_busy) as watch:
        print(f"{'':<36}" + "".join(f"{name:>18}" for name in names))
        for threads, kinds in ((options.threads, ("train", "forward")), (1, ("step", "int8"))):
            selected = [case for case in every if case["kind"] in kinds]
            with started(("recurra", *names) if selected else (), threads) as peers:
                for case in selected:
                    ratios, refused = compare(case | {"threads": threads}, peers)
                    title = f"{case['kind']} {case['cell']} " + " ".join(f"{axis}={case[axis]}" for axis in "BTIH")
                    figures[title] = {"ratios": ratios, "refused": refused}
                    shown = [f"{ratios[name]:.2f}x" if name in ratios else "-" for name in names]
                    print(f"{title:<36}" + "".join(f"{one:>18}" for one in shown), flush=True)
                    wanted = WANTED_INT8 if case["kind"] == "int8" else WANTED[case["H"]] if threads == 1 else 0.0
                    if ratios.get("onnx", wanted) < wanted:
                        print(f"  MISSED: onnx {ratios['onnx']:.2f}x, target {wanted}x")
        record("peers", figures, watch=watch, threads=options.threads)
    for name, why in sorted({(name, why) for one in figures.values() for name, why in one["refused"].items()}):
        say(f"- {name}: {why}")


if __name__ == "__main__":
    main()
