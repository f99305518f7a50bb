"""language: the next token of a text (N to N). Characters, words or subwords; text, code, poems, log keys.

    embedding -> recurrent layers -> linear (its weights those of the embedding where tied) -> softmax

The text is one long sequence. Windows follow each other in `batch_size` places at once and the state is handed on
(truncated backpropagation through time); or the state begins at zero in each window, and they begin anywhere, or where a
paragraph or line does: texts that stand alone, such as poems, are learnt as they will be written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.store.store import Store
from ...data.store.windows import AlignedWindows, RandomWindows, SequentialWindows, gather
from ...decoding.sampling import choose_token
from ...errors import DataError, SettingError
from ...nn import State
from ...settings import DataSettings, ModelSettings, Settings, TrainingSettings
from ..base import Batch, Reading, device_of
from .dataset import SCORED, TextReader
from .defaults import choose
from .model import NextToken
from .session import SPAN, LanguageSession, spell
from .settings import LanguageData, LanguageModel, LanguageTraining

STRETCHES = 16  # parts of the validation text read side by side while training; a file to evaluate is read as one
LONG_STRETCHES = 4  # where there is a cache, which wants text before it
FITTED = 100_000  # tokens of the validation text that the cache is fitted to, at most


class Language(TextReader):
    """See the module's docstring."""

    name: ClassVar[str] = "language"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a language model of characters, words or subwords, to score and to write text"
    Data: ClassVar[type[DataSettings]] = LanguageData
    Model: ClassVar[type[ModelSettings]] = LanguageModel
    Training: ClassVar[type[TrainingSettings]] = LanguageTraining
    in_use: ClassVar[tuple[str, ...]] = ("model.each", "data.text", "data.encoding", "data.broken")

    @property
    def calibration(self) -> float:  # type: ignore[override]
        return 8.0 if self.settings.model.cache else 0.0  # type: ignore[attr-defined]

    @property
    def carries_state(self) -> bool:  # type: ignore[override]
        return bool(self.settings.data.windows == "sequential")  # type: ignore[attr-defined]

    def choose(self, reading: Reading) -> Settings:
        return choose(self.settings, reading, len(self.vocabulary), bool(self.separator))

    # training ------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model = self.settings.model
        assert isinstance(model, LanguageModel)
        assert model.embedding_size and model.hidden_size and model.num_layers  # choose() has filled them
        return NextToken(
            len(self.vocabulary),
            model.embedding_size,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            weight_drop=model.weight_drop or 0.0,
            tied=bool(model.tied),
            backend=model.backend,
            cache=model.cache or 0,
        )

    def train_batches(self, epoch: int) -> Sequence[np.ndarray]:
        data, training = self.settings.data, self.settings.training
        assert isinstance(data, LanguageData) and data.window and training.batch_size
        n = len(self.stores["train"].flat("tokens"))
        sizes = (n, training.batch_size, data.window)
        if data.windows == "aligned":
            return AlignedWindows(*sizes, self._marks, seed=training.seed).epoch(epoch)
        kind = SequentialWindows if data.windows == "sequential" else RandomWindows
        return kind(*sizes, seed=training.seed).epoch(epoch)

    @cached_property
    def _marks(self) -> np.ndarray:
        """Where the tokens begin after which a text begins: one look at the whole text serves all epochs."""
        start, tokens = self._start, self.stores["train"].flat("tokens")
        found = np.ones(len(tokens) - len(start) + 1, bool)
        for at, token in enumerate(start):
            found &= np.asarray(tokens[at : at + len(found)]) == token
        return np.flatnonzero(found)

    def cost(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([len(starts) * self.settings.data.window for starts in keys])  # type: ignore[attr-defined]

    def batch(self, key: np.ndarray) -> Batch:
        window = int(self.settings.data.window)  # type: ignore[attr-defined]
        inputs, targets = gather(self.stores["train"].flat("tokens"), key, window)
        return Batch({"x": torch.from_numpy(inputs)}, {"next": torch.from_numpy(targets)}, inputs.size, inputs.size)

    def loss(self, network: nn.Module, batch: Batch, state: State | None) -> tuple[Tensor, State | None]:
        training = self.settings.training
        assert isinstance(training, LanguageTraining)
        if training.sampled:
            loss, after = network(batch.inputs["x"], state, batch.targets["next"], training.sampled)
        else:
            scores, after = network(batch.inputs["x"], state)
            smoothing = training.label_smoothing
            loss = F.cross_entropy(scores.flatten(0, 1), batch.targets["next"].flatten(), label_smoothing=smoothing)
        return loss, after.detach() if self.carries_state else None

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            cached = isinstance(network, NextToken) and network.cache is not None and network.cache.active
            stretches = LONG_STRETCHES if cached else STRETCHES
            return self._score(network, self.stores["valid"], stretches, tick, SCORED)
        import tempfile

        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(self._source(data), {"data": (0, None)}, Path(folder))
            return self._score(network, Store(Path(folder) / "data"), 1, tick)

    def _spans(self, store: Store, stretches: int, most: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The text, or its first `most` tokens, as inputs (B, T) and the tokens to come, -1 after a stretch's end.

        Read in `stretches` side by side, each beginning as a stream does, so every token is predicted exactly once.
        """
        tokens = store.flat("tokens")[:most]
        if len(tokens) < 2:
            raise DataError("the text to evaluate on is empty", file=store.folder)
        stretches = max(1, min(stretches, len(tokens) // SPAN))
        rows = np.array_split(np.asarray(tokens), stretches)
        width, before = max(map(len, rows)), len(self._start) - 1
        inputs, targets = np.zeros((stretches, width), np.int64), np.full((stretches, width), -1, np.int64)
        for b, row in enumerate(rows):
            inputs[b, 0], inputs[b, 1 : len(row)], targets[b, : len(row)] = self._start[-1], row[:-1], row
        if before:
            lead = np.tile(np.array(self._start[:-1], np.int64), (stretches, 1))
            yield torch.from_numpy(lead), torch.full((stretches, before), -1)
        for at in range(0, width, SPAN):
            yield torch.from_numpy(inputs[:, at : at + SPAN]), torch.from_numpy(targets[:, at : at + SPAN])

    def _score(
        self, network: nn.Module, store: Store, stretches: int, tick: Callable[[int], None], most: int | None = None
    ) -> dict[str, Any]:
        """Read the text once, or its first pieces with `most` tokens."""
        sizes, characters = store.lengths("tokens"), store.column("characters")
        if most is not None:
            pieces = int(np.searchsorted(np.cumsum(sizes), most)) + 1
            sizes, characters = sizes[:pieces], characters[:pieces]
        device, tokens = device_of(network), int(sizes.sum())
        total, state = 0.0, None
        for inputs, targets in self._spans(store, stretches, tokens):
            scores, state = network(inputs.to(device), state)
            wanted = targets.to(device).flatten()
            total += F.cross_entropy(scores.flatten(0, 1).float(), wanted, ignore_index=-1, reduction="sum").item()
            tick(inputs.numel())
        per_character = total / max(int(characters.sum()), 1)
        figures = {"loss": total / tokens, "perplexity": math.exp(min(total / tokens, 700))}
        return figures | {"nats_per_character": per_character, "bits_per_character": per_character / math.log(2)}

    def calibrate(self, network: nn.Module) -> list[str]:
        """Fit the cache to the validation text."""
        assert isinstance(network, NextToken)
        if network.cache is None:
            return []
        device = device_of(network)

        def pieces() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
            state = None
            for inputs, targets in self._spans(self.stores["valid"], LONG_STRETCHES, FITTED):
                scores, y, state = network.read(inputs.to(device), state)
                yield scores.float(), y.float(), inputs.to(device), targets.to(device)

        before, after = network.cache.fit(pieces())
        share, size = float(network.cache.share), network.cache.size
        if not share:
            return ["the cache is left out: what was met before does not tell what comes in the validation text"]
        return [
            f"a cache of {size:,} tokens gets up to {share:.0%} of the say: {before:.3f} to {after:.3f} nats a token"
        ]

    # use -----------------------------------------------------------------------------------------------------------
    @property
    def _start(self) -> list[int]:
        """What is read before a text begins: the end of what was before it."""
        before = {"characters": self.separator or "\n", "subwords": "\n"}.get(self.vocabulary.level)
        ids = [] if before is None else self.vocabulary.encode(before).tolist()
        return [i for i in ids if i != self.vocabulary.unknown] or [self.vocabulary.end]

    def example(self, line: str) -> str:
        try:
            found = super().example(line)
        except DataError:  # a model of JSON reads what begins as an object
            return line
        return found if isinstance(found, str) else str(found.get("text", line)) if isinstance(found, dict) else line

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        results = []
        for text in examples:
            with self.session(network) as session:
                session.push(text["text"] if isinstance(text, dict) else text)
                results.append(session.result())
        return results

    def streams(self) -> tuple[bool, str]:
        return True, ""

    def session(self, network: nn.Module) -> LanguageSession:
        each = self.settings.model.each  # type: ignore[attr-defined]
        return LanguageSession(network, self.vocabulary, self._front(), self._start, each=each)

    def generate(
        self,
        network: nn.Module,
        prompt: str = "",
        length: int | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Pieces of text as they are drawn, the prompt not among them.

        length None: one piece (a poem, a line) where the training text is made of short ones, else 200 tokens.
        """
        if length is not None and length < 0:
            raise SettingError(f"length is {length}; wanted 0 or more tokens")
        vocabulary, random = self.vocabulary, torch.Generator()
        random.manual_seed(seed) if seed is not None else random.seed()
        piece = self.separator if length is None else ""
        session = self.session(network)
        session.push(prompt)
        session.settle()
        drawn: list[int] = []
        letters = vocabulary.level == "characters"
        text = prompt if letters else ""
        for _ in range(length if length is not None else 2000 if piece else 200):
            scores = session.scores.clone()
            scores[[vocabulary.pad, vocabulary.unknown]] = -torch.inf
            if vocabulary.level != "words":
                scores[vocabulary.end] = -torch.inf
            token = choose_token(scores, temperature, top_k, top_p, random)
            session.read([token])
            drawn.append(token)
            # other tokens alone may be half a letter, or want a blank before them: all that was drawn is spelt
            whole = text + vocabulary.tokens[token] if letters else spell(vocabulary, drawn)
            if piece and whole.endswith(piece) and whole.strip():
                return
            if whole.startswith(text) and not whole.endswith("\ufffd"):
                yield whole[len(text) :]
                text = whole
