"""language: predicting the next token of a text (N to N), in characters, words or subwords; text, code, poems, log keys.

    embedding -> recurrent layers -> linear (shares the weights of the embedding with tie_weights) -> softmax

The text is one long sequence. In sequential batching the windows of a batch continue those of the previous batch, and the state
is passed on (truncated backpropagation through time); where texts are independent, a row restarts at the beginning of a text.
Random and aligned windows begin with a zero state. Aligned windows begin where a paragraph or line begins, so that independent
texts, such as poems, are learnt from their beginning. In a mixture half of the rows are sequential and the others random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.store.windows import TokenWindow, gather
from ...errors import SettingError
from ..base import Batch, DatasetInfo, OnProgress, Selection, Streaming, Task
from ..objective import Objective
from .calibration import fit_cache
from .dataset import TextDataset
from .defaults import check_windows, language_defaults
from .generation import generate_text
from .model import LanguageNetwork, language_network
from .objective import LanguageObjective
from .sampler import WindowSampler, window_lengths
from .scoring import MAX_SCORED, TextScorer
from .session import LanguageSession
from .settings import LanguageSettings

NUM_STREAMS = 16  # parallel streams in which the validation text is scored; other files are read as one stream
NUM_STREAMS_WITH_CACHE = 4  # fewer, because a cache needs earlier text


@final
class Language(Task[LanguageSettings]):
    """A language model. The module's docstring describes the network and the training."""

    name: ClassVar[str] = "language"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a language model of characters, words or subwords that scores and generates text"
    settings_class = LanguageSettings
    inference_settings: ClassVar[tuple[str, ...]] = ("model.per_token", "data.text", "data.encoding", "data.on_error")
    dataset: TextDataset

    @classmethod
    def dataset_for(cls, settings: LanguageSettings) -> TextDataset:
        """Return the dataset."""
        return TextDataset(settings)

    @classmethod
    def resolve(cls, settings: LanguageSettings, dataset: TextDataset, info: DatasetInfo) -> LanguageSettings:
        """Choose the open settings from the size of the text and of the vocabulary."""
        size = len(dataset.vocabulary)
        defaults = language_defaults(settings, info, vocabulary_size=size, independent_texts=bool(dataset.separator))
        resolved = settings.fill(**defaults)
        check_windows(resolved)
        if sampled := resolved.training.sampled_softmax:
            if resolved.training.label_smoothing:
                raise SettingError("label_smoothing requires the full softmax; set sampled_softmax=0")
            info.messages.append(
                f"training uses a sampled softmax over the {sampled:,} most frequent and {sampled:,} random tokens "
                f"of {size:,}"
            )
        return resolved

    def network(self) -> LanguageNetwork:
        """Return a network with random weights."""
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
            neural_cache_size=model.neural_cache_size,
        )

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The loss selects the best weights."""
        return Selection()

    def sampler(self) -> WindowSampler:
        """Return the sampler of the training windows."""
        data, training = self.settings.data, self.settings.training
        return WindowSampler(
            self.dataset.stores["train"].flat("tokens"),
            data.batching,
            training.batch_size,
            window_lengths(training, data.bptt_length),
            seed=training.seed,
            text_start=self.dataset.text_start,
            independent=bool(self.dataset.separator),
        )

    def batch(self, key: TokenWindow) -> Batch:
        """Return the batch of the windows `key`."""
        inputs, targets = gather(self.dataset.stores["train"].flat("tokens"), key.begins, key.steps)
        size = inputs.size
        return Batch({"x": torch.from_numpy(inputs)}, {"next": torch.from_numpy(targets)}, size, size, key)

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Return the mean cross-entropy in nats and, where the next batch continues this one, the detached state."""
        training, x, targets = self.settings.training, batch.inputs["x"], batch.targets["next"]
        window = batch.window
        reset = None if window is None or window.restarts is None else torch.from_numpy(window.restarts)
        if training.sampled_softmax:
            loss, new_state = network(x, state, targets, training.sampled_softmax, reset=reset)
        else:
            logits, new_state = network(x, state, reset=reset)
            smoothing = training.label_smoothing
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=smoothing)
        return loss, new_state.detach() if window is not None and window.continues else None

    def objectives(self, network: nn.Module, batch: Batch) -> list[Objective]:
        """Return the loss in windows, for gradient rules.

        Windows between random truncation points have losses of equal weight whatever the length of the window.
        """
        training, window = self.settings.training, batch.window
        weighted = training.rule == "artbp" and window is not None and window.continues
        tokens = len(batch.inputs["x"]) * training.windows[1] if weighted else None
        return [LanguageObjective(language_network(network), batch, training, tokens)]

    # evaluation ----------------------------------------------------------------------------------------------------
    @property
    def scorer(self) -> TextScorer:
        """A scorer that reads texts from their beginning."""
        return TextScorer(self.dataset.text_start)

    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """Return the loss, the perplexity, and nats and bits per character of the validation text or of a file."""
        if data is None:
            streams = NUM_STREAMS_WITH_CACHE if language_network(network).uses_cache else NUM_STREAMS
            return self.scorer.score(network, self.dataset.stores["valid"], streams, on_progress, MAX_SCORED)
        with self.dataset.encoded(data) as store:
            return self.scorer.score(network, store, 1, on_progress)

    @property
    def calibration_time(self) -> float:
        """The time to fit the neural cache, in evaluations."""
        return 8.0 if self.settings.model.neural_cache_size else 0.0

    def calibrate(self, network: nn.Module) -> list[str]:
        """Fit the neural cache to the validation text."""
        store = self.dataset.stores["valid"]
        return fit_cache(language_network(network), self.scorer, store, NUM_STREAMS_WITH_CACHE)

    # inference -----------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the result of a `LanguageSession` for each text."""
        results = []
        for text in examples:
            with self.session(network) as session:
                session.push(text["text"] if isinstance(text, dict) else text)
                results.append(session.result())
        return results

    def session(self, network: nn.Module) -> LanguageSession:
        """Return a session at the beginning of a text."""
        dataset = self.dataset
        return LanguageSession(network, dataset.vocabulary, dataset.text_start, per_token=self.settings.model.per_token)

    def streaming(self) -> Streaming:
        """A language model always streams."""
        return Streaming(self.session)

    def generate(
        self, network: nn.Module, prompt: str = "", length: int | None = None, **options: Any
    ) -> Iterator[str]:
        """Yield the generated text piece by piece, without the prompt. `generate_text` describes the options."""
        yield from generate_text(self.session(network), prompt, length, self.dataset.separator, **options)
