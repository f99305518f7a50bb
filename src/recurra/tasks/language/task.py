"""language: the next token of a text (N to N). Characters, words or subwords; text, code, poems, log keys.

    embedding -> recurrent layers -> linear (its weights those of the embedding where tie_weights) -> softmax

The text is one long sequence. Sequential windows continue each other in `batch_size` places, and the state is carried from
one to the next (truncated backpropagation through time). Random and aligned windows begin with an empty state; aligned ones
begin where a paragraph or line does, so that independent texts, such as poems, are learnt from their beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.store.windows import gather
from ...errors import SettingError
from ..base import Batch, DatasetInfo, OnProgress, Selection, Streaming, Task
from .calibration import fit_cache
from .dataset import TextDataset
from .defaults import language_defaults
from .generation import generate_text
from .model import LanguageNetwork, language_network
from .sampler import WindowSampler
from .scoring import MAX_SCORED, TextScorer
from .session import LanguageSession
from .settings import LanguageSettings

NUM_STREAMS = 16  # in which the validation part is scored; another file is scored as one
NUM_STREAMS_WITH_CACHE = 4  # a cache needs text before a token


@final
class Language(Task[LanguageSettings]):
    """See the module's docstring."""

    name: ClassVar[str] = "language"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a language model of characters, words or subwords, to score and to write text"
    settings_class = LanguageSettings
    inference_settings: ClassVar[tuple[str, ...]] = ("model.per_token", "data.text", "data.encoding", "data.on_error")
    dataset: TextDataset

    @classmethod
    def dataset_for(cls, settings: LanguageSettings) -> TextDataset:
        return TextDataset(settings)

    @classmethod
    def resolve(cls, settings: LanguageSettings, dataset: TextDataset, info: DatasetInfo) -> LanguageSettings:
        size = len(dataset.vocabulary)
        defaults = language_defaults(settings, info, vocabulary_size=size, independent_texts=bool(dataset.separator))
        resolved = settings.fill(**defaults)
        if sampled := resolved.training.sampled_softmax:
            if resolved.training.label_smoothing:
                raise SettingError("label_smoothing is spread over all tokens; with it, set sampled_softmax=0")
            info.messages.append(
                f"while training, tokens are told from the {sampled:,} most frequent ones and {sampled:,} drawn anew "
                f"each step, of {size:,} (sampled)"
            )
        return resolved

    def network(self) -> LanguageNetwork:
        model = self.settings.model
        return LanguageNetwork(
            len(self.dataset.vocabulary),
            model.embedding_size,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            dropout=model.dropout,
            input_dropout=model.input_dropout,
            weight_drop=model.weight_drop,
            tie_weights=model.tie_weights,
            backend=model.backend,
            cache=model.neural_cache_size,
        )

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        return Selection()

    def sampler(self) -> WindowSampler:
        data, training = self.settings.data, self.settings.training
        return WindowSampler(
            self.dataset.stores["train"].flat("tokens"),
            data.batching,
            training.batch_size,
            data.bptt_length,
            seed=training.seed,
            text_start=self.dataset.text_start,
        )

    def batch(self, key: np.ndarray) -> Batch:
        inputs, targets = gather(self.dataset.stores["train"].flat("tokens"), key, self.settings.data.bptt_length)
        return Batch({"x": torch.from_numpy(inputs)}, {"next": torch.from_numpy(targets)}, inputs.size, inputs.size)

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        training, x, targets = self.settings.training, batch.inputs["x"], batch.targets["next"]
        if training.sampled_softmax:
            loss, after = network(x, state, targets, training.sampled_softmax)
        else:
            logits, after = network(x, state)
            smoothing = training.label_smoothing
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=smoothing)
        return loss, after.detach() if self.settings.data.batching == "sequential" else None

    # evaluation ----------------------------------------------------------------------------------------------------
    @property
    def scorer(self) -> TextScorer:
        """Scores texts from their beginning."""
        return TextScorer(self.dataset.text_start)

    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        if data is None:
            streams = NUM_STREAMS_WITH_CACHE if language_network(network).uses_cache else NUM_STREAMS
            return self.scorer.score(network, self.dataset.stores["valid"], streams, on_progress, MAX_SCORED)
        with self.dataset.encoded(data) as store:
            return self.scorer.score(network, store, 1, on_progress)

    @property
    def calibration_time(self) -> float:
        """The time of fitting the cache, in evaluations."""
        return 8.0 if self.settings.model.neural_cache_size else 0.0

    def calibrate(self, network: nn.Module) -> list[str]:
        """Fit the cache to the validation part."""
        store = self.dataset.stores["valid"]
        return fit_cache(language_network(network), self.scorer, store, NUM_STREAMS_WITH_CACHE)

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        results = []
        for text in examples:
            with self.session(network) as session:
                session.push(text["text"] if isinstance(text, dict) else text)
                results.append(session.result())
        return results

    def session(self, network: nn.Module) -> LanguageSession:
        """A stream at the beginning of a text."""
        dataset = self.dataset
        return LanguageSession(network, dataset.vocabulary, dataset.text_start, per_token=self.settings.model.per_token)

    def streaming(self) -> Streaming:
        return Streaming(self.session)

    def generate(
        self, network: nn.Module, prompt: str = "", length: int | None = None, **options: Any
    ) -> Iterator[str]:
        """Pieces of text as they are drawn, the prompt not among them. Options: see `generate_text`."""
        yield from generate_text(self.session(network), prompt, length, self.dataset.separator, **options)
