"""The base class of N-to-1 tasks: one output for each sequence.

    input -> embedding -> recurrent layers -> pooling -> linear -> head

A subclass defines the dataset and the head.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...errors import SettingError
from ...models import adversarial
from ...models.encoder import Ensemble, SequenceEncoder, SequenceToVector
from ...settings import Settings
from ..base import (
    Backward,
    Batch,
    DatasetInfo,
    OnProgress,
    Sampler,
    Selection,
    Streaming,
    Task,
    device_of,
    ignore_progress,
)
from ..contract import check_decoded, check_losses, check_metrics, check_outputs
from ..objective import Objective
from .collate import EVALUATION_STEPS, collate, outputs_of, padded, target_of
from .head import HasBuffers, HasInitialBias, Head
from .length_sampler import LengthSampler
from .row_dataset import RowDataset
from .session import VectorSession, why_not_streamable
from .vector_objective import VectorObjective

S = TypeVar("S", bound=Settings[Any, Any, Any])


class SequenceTask(Task[S]):
    """An N-to-1 task. A subclass defines `dataset_for`, which returns a `RowDataset`, and `head`.

    The settings are `RowData` and `EncoderModel` or subclasses of them. docs/custom-task.md has a complete example.
    """

    inference_settings: ClassVar[tuple[str, ...]] = ("data.on_error", "data.encoding")
    dataset: RowDataset

    @cached_property
    @abstractmethod
    def head(self) -> Head:
        """The loss, the metrics and the JSON of the outputs. It is created after the dataset was fitted."""

    @classmethod
    def resolve(cls, settings: S, dataset: RowDataset, info: DatasetInfo) -> S:
        """Fill the open settings with the defaults of the input type."""
        defaults = dataset.input.defaults(settings, info)
        return settings.fill(**(whole_sequences(defaults, info) if settings.training.reads_windows else defaults))

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        """Return a new network, or an ensemble of networks."""
        members = [self._member() for _ in range(self.settings.model.ensemble_size)]
        network = members[0] if len(members) == 1 else Ensemble(members, self.head.combine)
        for name, value in self.head.buffers().items() if isinstance(self.head, HasBuffers) else ():
            network.register_buffer(name, value)
        return network

    def _head_of(self, network: nn.Module) -> Head:
        """Return a head whose buffers are those of the network."""
        head = self.head
        return head.with_buffers(dict(network.named_buffers(recurse=False))) if isinstance(head, HasBuffers) else head

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
        network = SequenceToVector(encoder, check_outputs(self.head, self.head.outputs))
        if isinstance(self.head, HasInitialBias):
            with torch.no_grad():
                network.head.bias.copy_(self.head.initial_bias())
        return network

    def load_pretrained(self, network: nn.Module, on_progress: OnProgress) -> list[str]:
        """Load pretrained embeddings or a language model into a new network, where the settings request them."""
        dataset = self.dataset
        if dataset.pretrained is None:
            return []
        return dataset.pretrained.initialize(network, dataset.input.field, dataset.stores["train"], on_progress)

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The selection metric of the head."""
        return self.head.selection

    def sampler(self) -> Sampler:
        """Batches of sequences of similar length."""
        training, limit = self.settings.training, self.settings.data.truncation_length
        lengths = self.dataset.stores["train"].lengths(self.dataset.input.field.name)
        lengths = lengths if limit is None else np.minimum(lengths, limit)
        return LengthSampler(lengths, training.batch_size, seed=training.seed)

    def batch(self, key: np.ndarray) -> Batch:
        """Return the training batch of some rows, truncated and augmented."""
        batch = self._collate(self.dataset.stores["train"], key, max_length=self.settings.data.truncation_length)
        x, lengths = self.dataset.input.augment(batch.inputs["x"], batch.inputs["lengths"])
        batch.inputs |= {"x": x, "lengths": lengths}
        return batch

    def _collate(self, store: Store, rows: np.ndarray, max_length: int | None = None) -> Batch:
        return collate(store, rows, self.dataset.input.field, self.dataset.targets, max_length=max_length)

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Return the mean loss over the batch and the members of the ensemble."""
        output = network(batch.inputs["x"], batch.inputs["lengths"])
        members = output if self.settings.model.ensemble_size > 1 else [output]
        losses = [self._losses(member, batch, self.settings.training).mean() for member in members]
        return torch.stack(losses).mean(), None

    def _losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        return check_losses(self.head, self.head.losses(output, batch, training), len(output))

    def training_step(
        self, network: nn.Module, batch: Batch, state: Any, progress: float, backward: Backward
    ) -> tuple[Tensor, Any]:
        """Compute the gradient of a step, with adversarial training where the settings request it."""

        def loss() -> Tensor:
            return self.loss(network, batch, None, progress)[0]

        return adversarial.training_step(network, loss, self.settings.model.adversarial_epsilon, backward), None

    def objectives(self, network: nn.Module, batch: Batch) -> list[Objective]:
        """Return the loss of each member in windows, for gradient rules."""
        if self.settings.model.adversarial_epsilon:
            raise SettingError("adversarial_epsilon needs the gradient of the input of the whole sequence, and this gradient "
                               "rule reads windows; set adversarial_epsilon=0")  # fmt: skip
        members = list(network.members) if isinstance(network, Ensemble) else [network]

        def losses(output: Tensor) -> Tensor:
            return self._losses(output, batch, self.settings.training)

        return [VectorObjective(cast(SequenceToVector, member), batch, losses, 1 / len(members)) for member in members]

    # evaluation ----------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """Return `loss` and the metrics of the head on the validation part or on another file."""
        if data is None:
            return self._evaluate(network, self.dataset.stores["valid"], on_progress)
        with self.dataset.encoded(data) as store:
            return self._evaluate(network, store, on_progress)

    def _evaluate(self, network: nn.Module, store: Store, on_progress: OnProgress) -> dict[str, Any]:
        outputs, losses, targets = self._outputs(network, store, on_progress)
        metrics = check_metrics(self.head, "metrics", self._head_of(network).metrics(outputs, targets))
        return {"loss": float(losses.mean()), **metrics}

    def _output(self, network: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
        return outputs_of(network, x, lengths, in_pieces=not self.settings.model.bidirectional)

    def _outputs(
        self, network: nn.Module, store: Store, on_progress: OnProgress
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The outputs (N, C) on the CPU, the losses (N,) and the targets of all rows of a store."""
        lengths = store.lengths(self.dataset.input.field.name)
        outputs: list[Tensor | None] = [None] * len(store)
        losses = torch.zeros(len(store), dtype=torch.float64)
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._collate(store, rows).to(device)
            output = self._output(network, batch.inputs["x"], batch.inputs["lengths"])
            losses[rows] = self._losses(output, batch, None).double().cpu()
            for row, value in zip(rows, output.float().cpu(), strict=True):
                outputs[row] = value
            on_progress(len(rows))
        targets = {field.name: target_of(store, field) for field in self.dataset.targets}
        return torch.stack([output for output in outputs if output is not None]), losses, targets

    @property
    def calibration_time(self) -> float:
        """The time to fit the buffers of the head and to evaluate them, in evaluations; 0 without buffers."""
        return 2.0 if isinstance(self.head, HasBuffers) else 0.0

    def calibrate(self, network: nn.Module) -> list[str]:
        """Fit the buffers of the head, such as thresholds, to the validation part."""
        if not isinstance(self.head, HasBuffers):
            return []
        outputs, _, targets = self._outputs(network, self.dataset.stores["valid"], ignore_progress)
        values, lines = self.head.fit_buffers(outputs, targets)
        buffers = dict(network.named_buffers(recurse=False))
        for name, value in values.items():
            buffers[name].copy_(value)
        return lines

    def rehearse(self, network: nn.Module) -> None:
        """Call the head on a few validation examples, so that a wrong return value is reported before training."""
        store = self.dataset.stores["valid"]
        batch = self._collate(store, np.arange(min(len(store), 8))).to(device_of(network))
        output = self._output(network, batch.inputs["x"], batch.inputs["lengths"]).float().cpu()
        batch = batch.to(torch.device("cpu"))
        self._losses(output, batch, None)
        metrics = {"loss": 0.0, **check_metrics(self.head, "metrics", self.head.metrics(output, batch.targets))}
        check_metrics(self.head, "metrics", metrics, self.selection)
        self._decode(network, output)

    def _decode(self, network: nn.Module, output: Tensor) -> list[dict[str, Any]]:
        return check_decoded(self.head, "decode", self._head_of(network).decode(output), len(output))

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the decoded output for each example, in order."""
        if not len(examples):
            return []
        arrays = self.dataset.encode_examples(examples)
        lengths = np.array([len(array) for array in arrays])
        results: list[dict[str, Any]] = [{} for _ in examples]
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x = padded([arrays[row] for row in rows])
            output = self._output(network, x.to(device), torch.from_numpy(lengths[rows]).to(device))
            for row, decoded in zip(rows, self._decode(network, output.float().cpu()), strict=True):
                results[row] = self.dataset.input.identify(examples[row]) | decoded
        return results

    def streaming(self) -> Streaming:
        """A unidirectional encoder streams if the input can be encoded in chunks."""
        field = self.dataset.input.field
        if reason := why_not_streamable(self.settings.model.bidirectional, field):
            return Streaming(reason=reason)
        return Streaming(lambda network: VectorSession(network, field, lambda output: self._decode(network, output)[0]))


def whole_sequences(defaults: Mapping[str, Any], info: DatasetInfo) -> dict[str, dict[str, Any]]:
    """Return the defaults for gradient rules: long sequences are not truncated, and there is no adversarial training."""
    longest = int(max(info.stats.get("lengths", ()), default=1))
    data = {**defaults.get("data", {}), "truncation_length": max(longest, 2)}
    return {**defaults, "data": data, "model": {**defaults["model"], "adversarial_epsilon": 0.0}}
