"""Compares an epoch of film reviews with `train classify`, with the same network in a plain torch loop, and in Keras 3 on JAX.

    RECURRA_DATA=FOLDER python benchmarks/epoch.py [--batches 20] [--rounds 3]

The network has an embedding, a bidirectional LSTM, mean and maximum pooling over time, and a linear layer. It is trained
with AdamW and gradient clipping on batches of 32 texts, which are truncated to the same maximum length. The plain loop
packs shuffled batches with `pack_padded_sequence`; Keras pads them to the maximum length, so that it compiles once.
`--batches` batches of each loop, at even intervals of its epoch, are timed alternately, and the times are scaled to all
batches of the epoch. If Keras is not installed (pip install keras jax), this part is skipped with a message.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sets
from common import add_options, alone, data_folder, interleave, record, say
from loop_overhead import make_loop
from splits import split, write_csv

if TYPE_CHECKING:
    from recurra.training.loop import Loop

WANTED = {"plain torch, packed": 3.0, "Keras on JAX": 2.0}
BATCH, SIZE, CLASSES = 32, 128, 2


class Texts:
    """The training part as encoded and truncated by the run of recurra: shuffled batches of token ids, lengths and classes."""

    def __init__(self, loop: Loop) -> None:
        store = loop.task.dataset.stores["train"]  # type: ignore[attr-defined]
        self.longest = int(loop.task.settings.data.truncation_length)  # type: ignore[attr-defined]
        self.vocabulary = len(loop.task.dataset.input.field.vocabulary)  # type: ignore[attr-defined]
        self.store, self.rows = store, len(store.column("label"))
        self.order = np.random.default_rng(0).permutation(self.rows)
        self.batches = self.rows // BATCH

    def batch(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the token ids (B, T), lengths (B,) and classes (B,) of batch `n`."""
        rows = self.order[n * BATCH : (n + 1) * BATCH]
        x, lengths = self.store.ragged("text", rows, max_length=self.longest)
        return x, lengths, np.asarray(self.store.column("label")[rows])


def sample(many: int, batches: int) -> list[int]:
    """Return `batches` numbers at even intervals of range(many)."""
    return [many * (2 * n + 1) // (2 * batches) for n in range(min(batches, many))]


def ours(loop: Loop, batches: int) -> Callable[[], object]:
    """Return a function that trains on some batches with the loop of recurra."""
    keys = [loop.keys[n] for n in sample(len(loop.keys), batches)]

    def run() -> None:
        loop.keys, loop.index = keys, 0
        for _ in keys:
            loop.take_step()

    return run


def plain(texts: Texts, batches: int) -> Callable[[], object]:
    """Return a function that trains on some batches with a plain torch loop."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    embedding = nn.Embedding(texts.vocabulary, SIZE, padding_idx=0)
    lstm = nn.LSTM(SIZE, SIZE, batch_first=True, bidirectional=True)
    head = nn.Sequential(nn.Dropout(0.5), nn.Linear(4 * SIZE, CLASSES))
    network = nn.ModuleList([embedding, lstm, head])
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, fused=True)
    chosen = [tuple(map(torch.from_numpy, texts.batch(n))) for n in sample(texts.batches, batches)]

    def run() -> None:
        for x, lengths, label in chosen:
            optimizer.zero_grad()
            packed = pack_padded_sequence(embedding(x.long()), lengths, batch_first=True, enforce_sorted=False)
            y, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
            valid = (torch.arange(y.shape[1]) < lengths[:, None])[..., None]
            mean = y.sum(1) / lengths.clamp(min=1)[:, None]
            most = y.masked_fill(~valid, -torch.inf).amax(1)
            nn.functional.cross_entropy(head(torch.cat([mean, most], 1)), label.long()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    return run


def by_keras(texts: Texts, batches: int) -> Callable[[], object]:
    """Return a function that trains on some batches with Keras 3 on JAX."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    inputs = keras.Input((texts.longest,), dtype="int32")
    embeddings = keras.layers.Embedding(texts.vocabulary, SIZE, mask_zero=True)(inputs)
    y = keras.layers.Bidirectional(keras.layers.LSTM(SIZE, return_sequences=True))(embeddings)
    pooled = keras.layers.concatenate([keras.layers.GlobalAveragePooling1D()(y), keras.layers.GlobalMaxPooling1D()(y)])
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Dropout(0.5)(pooled)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(2e-3, global_clipnorm=1.0), loss)
    chosen = []
    for n in sample(texts.batches, batches):
        x, _, label = texts.batch(n)
        chosen.append((np.pad(x, ((0, 0), (0, texts.longest - x.shape[1]))).astype("int32"), label.astype("int32")))

    def run() -> None:
        for x, label in chosen:
            model.train_on_batch(x, label)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20, help="Number of timed batches of each loop (20).")
    parser.add_argument("--rounds", type=int, default=3, help="Number of timed rounds (3).")
    parser.add_argument("--threads", type=int, default=2, help="Number of CPU threads (2).")
    add_options(parser)
    options = parser.parse_args()
    data = data_folder()
    with alone(options.even_if_busy) as watch, tempfile.TemporaryDirectory(prefix="recurra-epoch-") as name:
        folder = Path(name)
        write_csv(folder / "train.csv", split(sets.imdb(data))["train"])
        loop = make_loop("classify", folder / "train.csv", folder, options.threads)
        texts, many = Texts(loop), len(loop.keys)
        made = {"ours": ours(loop, options.batches), "plain torch, packed": plain(texts, options.batches)}
        try:
            made["Keras on JAX"] = by_keras(texts, options.batches)
        except ImportError as error:
            say(f"Keras on JAX is skipped: {error}")
        times = interleave(made, rounds=options.rounds)
        counts = {name: many if name == "ours" else texts.batches for name in made}
        epochs = {name: times.median(name) / options.batches * counts[name] for name in made}
        figures: dict[str, Any] = {"seconds": epochs, "ratios": {}}
        for name, wanted in WANTED.items():
            if name in made:
                ratio = times.ratio(name, "ours") * counts[name] / counts["ours"]
                figures["ratios"][name] = {"ratio": ratio, "wanted": wanted, "met": ratio >= wanted}
                print(
                    f"{name}: {ratio:.2f} times the time of recurra, target {wanted:g}{'' if ratio >= wanted else '  MISSED'}"
                )
        record("epoch", figures, watch=watch, threads=options.threads)


if __name__ == "__main__":
    main()
