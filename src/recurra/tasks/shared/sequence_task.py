"""Tasks with one output for each row: the network, the loss, evaluation, streaming. Each such task adds its own file.

A subclass fills `fields` and gives the losses and the figures of the network's outputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...fields.series import Series
from ...models import adversarial
from ...models.encoder import EncoderModel, Members, Numbers, SequenceEncoder, SequenceToVector
from ...settings import DataSettings, ModelSettings, Settings
from ..base import Batch, Reading, Session, device_of
from .length_batches import ByLength
from .session import VectorSession

EVALUATION_STEPS = 65_536  # padded time steps of a batch when nothing is kept for the backward pass


class RowData(DataSettings):
    """Settings of tasks whose examples are rows."""

    max_length: int | None = Setting(None, ge=2, description="longer rows train on their two ends")


class RowTask(ByLength):
    """One output for each row. See the module's docstring."""

    in_use: ClassVar[tuple[str, ...]] = ("data.broken", "data.encoding")
    Data: ClassVar[type[DataSettings]] = RowData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def choose(self, reading: Reading) -> Settings:
        """Settings of a middling size for what is open; a task that knows its data better says so here."""
        model = {
            "hidden_size": 64,
            "num_layers": 1,
            "dropout": 0.1,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "members": 1,
            "adversarial": 0.0,
        }
        training = {"batch_size": 32, "learning_rate": 3e-3, "epochs": 20.0, "averaging": 0.99, "patience": 8}
        return self.settings.with_open(model=model, training=training)

    # network -------------------------------------------------------------------------------------------------------
    def front(self) -> tuple[nn.Module, int]:
        """What makes vectors (B, T, I) of the encoded input, and I. Numbers over time need nothing."""
        assert isinstance(self.input, Series) and self.input.width, "a task whose input is no series defines front()"
        return Numbers(), self.input.width

    def network(self) -> nn.Module:
        model = self.settings.model
        assert isinstance(model, EncoderModel) and model.hidden_size and model.num_layers  # choose() has filled them
        members = [self._member(model) for _ in range(model.members or 1)]
        return members[0] if len(members) == 1 else Members(members, self.merge)

    def _member(self, model: EncoderModel) -> SequenceToVector:
        assert model.hidden_size and model.num_layers and model.pooling
        front, input_size = self.front()
        encoder = SequenceEncoder(
            front,
            input_size,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            backend=model.backend,
        )
        return SequenceToVector(encoder, self.outputs)

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the network gives for a row."""

    def merge(self, outputs: Tensor) -> Tensor:
        """One output (B, C) from those of several networks (M, B, C)."""
        return outputs.mean(0)

    # training ------------------------------------------------------------------------------------------------------
    def _cut(self, lengths: np.ndarray) -> np.ndarray:
        limit = getattr(self.settings.data, "max_length", None)
        return lengths if limit is None else np.minimum(lengths, limit)

    def _lengths(self) -> np.ndarray:
        return self._cut(self.stores["train"].lengths(self.input.name))

    def batch(self, key: np.ndarray) -> Batch:
        return self._gather(self.stores["train"], key, cut=True)

    def _gather(self, store: Store, rows: np.ndarray, *, cut: bool) -> Batch:
        name = self.input.name
        limit = getattr(self.settings.data, "max_length", None) if cut else None
        x, lengths = store.ragged(name, rows, longest=limit)
        if limit is not None:
            half = limit // 2
            for b in np.flatnonzero(lengths == limit):
                whole = store.ragged(name, rows[b : b + 1])[0][0]
                x[b, limit - half :] = whole[len(whole) - half :]  # the end says as much as the beginning
        targets = {field.name: torch.from_numpy(np.array(store.column(field.name)[rows])) for field in self.fields[1:]}
        return Batch(
            {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)},
            targets,
            int(lengths.sum()),
            int(x.shape[0] * x.shape[1]),
        )

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        output = network(batch.inputs["x"], batch.inputs["lengths"])
        smoothing = getattr(self.settings.training, "label_smoothing", 0.0)
        several = (getattr(self.settings.model, "members", None) or 1) > 1
        losses = [self.row_losses(one, batch, smoothing).mean() for one in (output if several else [output])]
        return torch.stack(losses).mean(), None

    def descend(
        self, network: nn.Module, batch: Batch, state: Any, backward: Callable[[Tensor], None]
    ) -> tuple[Tensor, Any]:
        size = getattr(self.settings.model, "adversarial", None)
        if not size:
            return super().descend(network, batch, state, backward)
        return adversarial.descend(network, lambda: self.loss(network, batch, None)[0], size, backward), None

    @abstractmethod
    def row_losses(self, output: Tensor, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        """The loss of each row, (B,)."""

    @abstractmethod
    def figures(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """The metrics from the network's outputs on a whole part."""

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            return self._evaluate_store(network, self.stores["valid"], tick)
        with self.stored(data) as store:
            return self._evaluate_store(network, store, tick)

    def _evaluate_store(self, network: nn.Module, store: Store, tick: Callable[[int], None]) -> dict[str, Any]:
        lengths = store.lengths(self.input.name)
        outputs: list[Tensor | None] = [None] * len(store)
        losses = torch.zeros(len(store), dtype=torch.float64)
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._gather(store, rows, cut=False).to(device)
            output = network(batch.inputs["x"], batch.inputs["lengths"])
            losses[rows] = self.row_losses(output, batch).double().cpu()
            for row, value in zip(rows, output.float().cpu(), strict=True):
                outputs[row] = value
            tick(len(rows))
        targets = {field.name: torch.from_numpy(np.array(store.column(field.name))) for field in self.fields[1:]}
        whole = torch.stack([output for output in outputs if output is not None])
        return {"loss": float(losses.mean()), **self.figures(whole, targets)}

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        if not len(examples):
            return []
        arrays = self.input.encode(self._input_values(examples))
        lengths = np.array([len(array) for array in arrays])
        results: list[dict[str, Any]] = [{} for _ in examples]
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x = padded([arrays[row] for row in rows])
            output = network(x.to(device_of(network)), torch.from_numpy(lengths[rows]).to(device_of(network)))
            for row, decoded in zip(rows, self.decode(output.float().cpu()), strict=True):
                results[row] = decoded
        return results

    @abstractmethod
    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """One JSON object a row of the network's outputs."""

    def streams(self) -> tuple[bool, str]:
        if getattr(self.settings.model, "bidirectional", False):
            return False, "the backward direction needs the end first; --set bidirectional=false streams"
        if why := self.input.whole():
            return False, why
        return True, ""

    def session(self, network: nn.Module) -> Session:
        if not self.streams()[0]:
            return super().session(network)
        return VectorSession(network, self.input, lambda output: self.decode(output)[0])


def padded(arrays: Iterable[np.ndarray]) -> Tensor:
    """(B, T) or (B, T, I), zeros after each row's end."""
    return nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True)
