"""N-to-1 tasks: one output for each row.

    input -> embedding -> recurrent layers -> pooling -> linear -> head

A task of this kind names its dataset and its head; everything else is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...models import adversarial
from ...models.encoder import Ensemble, SequenceEncoder, SequenceToVector
from ...settings import Settings
from ..base import Backward, Batch, DatasetInfo, OnProgress, Sampler, Selection, Streaming, Task, device_of
from ..contract import check_decoded, check_losses, check_metrics, check_outputs
from .collate import EVALUATION_STEPS, collate, padded, target_of
from .head import Head
from .length_sampler import LengthSampler
from .row_dataset import RowDataset
from .session import VectorSession, why_not_streamable

S = TypeVar("S", bound=Settings[Any, Any, Any])


class SequenceTask(Task[S]):
    """See the module's docstring. A subclass gives `dataset_for`, a `RowDataset`, and `head`.

    Its settings: `RowData` and `EncoderModel` or subclasses of them.
    """

    inference_settings: ClassVar[tuple[str, ...]] = ("data.on_error", "data.encoding")
    dataset: RowDataset

    @cached_property
    @abstractmethod
    def head(self) -> Head:
        """Loss, metrics and JSON of the outputs. The dataset is ready when it is first used."""

    @classmethod
    def resolve(cls, settings: S, dataset: RowDataset, info: DatasetInfo) -> S:
        return settings.fill(**dataset.input.defaults(settings, info))

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        members = [self._member() for _ in range(self.settings.model.ensemble_size)]
        return members[0] if len(members) == 1 else Ensemble(members, self.head.combine)

    def _member(self) -> SequenceToVector:
        model = self.settings.model
        embedding, input_size = self.dataset.input.embedding(model)
        encoder = SequenceEncoder(
            embedding,
            input_size,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout,
            input_dropout=model.input_dropout,
            backend=model.backend,
        )
        return SequenceToVector(encoder, check_outputs(self.head, self.head.outputs))

    def load_pretrained(self, network: nn.Module, on_progress: OnProgress) -> list[str]:
        """Fill a new network where the settings name vectors or a language model."""
        dataset = self.dataset
        if dataset.pretrained is None:
            return []
        return dataset.pretrained.fill(network, dataset.input.field, dataset.stores["train"], on_progress)

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        return self.head.selection

    def sampler(self) -> Sampler:
        training, limit = self.settings.training, self.settings.data.truncation_length
        lengths = self.dataset.stores["train"].lengths(self.dataset.input.field.name)
        lengths = lengths if limit is None else np.minimum(lengths, limit)
        return LengthSampler(lengths, training.batch_size, seed=training.seed)

    def batch(self, key: np.ndarray) -> Batch:
        batch = self._collate(self.dataset.stores["train"], key, max_length=self.settings.data.truncation_length)
        x, lengths = self.dataset.input.augment(batch.inputs["x"], batch.inputs["lengths"])
        batch.inputs |= {"x": x, "lengths": lengths}
        return batch

    def _collate(self, store: Store, rows: np.ndarray, max_length: int | None = None) -> Batch:
        return collate(store, rows, self.dataset.input.field, self.dataset.targets, max_length=max_length)

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        output = network(batch.inputs["x"], batch.inputs["lengths"])
        members = output if self.settings.model.ensemble_size > 1 else [output]
        losses = [self._losses(one, batch, self.settings.training).mean() for one in members]
        return torch.stack(losses).mean(), None

    def _losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        return check_losses(self.head, self.head.losses(output, batch, training), len(output))

    def training_step(
        self, network: nn.Module, batch: Batch, state: Any, progress: float, backward: Backward
    ) -> tuple[Tensor, Any]:
        """The gradient of a step, by adversarial training where the settings ask for it."""

        def loss() -> Tensor:
            return self.loss(network, batch, None, progress)[0]

        return adversarial.training_step(network, loss, self.settings.model.adversarial_epsilon, backward), None

    # evaluation ----------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        if data is None:
            return self._evaluate(network, self.dataset.stores["valid"], on_progress)
        with self.dataset.encoded(data) as store:
            return self._evaluate(network, store, on_progress)

    def _evaluate(self, network: nn.Module, store: Store, on_progress: OnProgress) -> dict[str, Any]:
        lengths = store.lengths(self.dataset.input.field.name)
        outputs: list[Tensor | None] = [None] * len(store)
        losses = torch.zeros(len(store), dtype=torch.float64)
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._collate(store, rows).to(device)
            output = network(batch.inputs["x"], batch.inputs["lengths"])
            losses[rows] = self._losses(output, batch, None).double().cpu()
            for row, value in zip(rows, output.float().cpu(), strict=True):
                outputs[row] = value
            on_progress(len(rows))
        targets = {field.name: target_of(store, field) for field in self.dataset.targets}
        whole = torch.stack([output for output in outputs if output is not None])
        return {"loss": float(losses.mean()), **check_metrics(self.head, "metrics", self.head.metrics(whole, targets))}

    def rehearse(self, network: nn.Module) -> None:
        """Let the head work on a few validation rows: what it returns wrong is reported before training."""
        store = self.dataset.stores["valid"]
        batch = self._collate(store, np.arange(min(len(store), 8))).to(device_of(network))
        output = network(batch.inputs["x"], batch.inputs["lengths"]).float().cpu()
        batch = batch.to(torch.device("cpu"))
        self._losses(output, batch, None)
        metrics = {"loss": 0.0, **check_metrics(self.head, "metrics", self.head.metrics(output, batch.targets))}
        check_metrics(self.head, "metrics", metrics, self.selection)
        self._decode(output)

    def _decode(self, output: Tensor) -> list[dict[str, Any]]:
        return check_decoded(self.head, "decode", self.head.decode(output), len(output))

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        if not len(examples):
            return []
        arrays = self.dataset.encode_examples(examples)
        lengths = np.array([len(array) for array in arrays])
        results: list[dict[str, Any]] = [{} for _ in examples]
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x = padded([arrays[row] for row in rows])
            output = network(x.to(device), torch.from_numpy(lengths[rows]).to(device))
            for row, decoded in zip(rows, self._decode(output.float().cpu()), strict=True):
                results[row] = self.dataset.input.identify(examples[row]) | decoded
        return results

    def streaming(self) -> Streaming:
        field = self.dataset.input.field
        if reason := why_not_streamable(self.settings.model.bidirectional, field):
            return Streaming(reason=reason)
        return Streaming(lambda network: VectorSession(network, field, lambda output: self._decode(output)[0]))
