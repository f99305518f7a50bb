"""tag: a tag for each token (N to N). Names, chunks, parts of speech, slots with the intent of the sentence, ...

words and their spelling -> recurrent layers -> linear -> conditional random field, or the best tag of each token

In `parts/fields/`: words.py (by tokenpieces.py), feature.py, tags.py, rowlabel.py, tokens.py (what they share).
In `parts/tag/`:

    reading     reader.py (files), row.py (what predict is given), settings.py, defaults.py
    network     tagger.py
    figures     figures.py
    use         answer.py (JSON), stream.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...data.words.tag_schemes import follows
from ...fields.token_lists import PAD, UNKNOWN
from ...metrics.spans import span_figures, tag_figures
from ...models.encoder import Tokens
from ...settings import Settings
from ..base import Batch, Reading, Session, device_of
from ..shared.sequence_task import EVALUATION_STEPS, padded
from .dataset import TagReader
from .defaults import choose_tag_settings
from .model import Beside, Tagger, Taggers, Transitions, best_tags, row_losses
from .output import intent_answer, tags_answer
from .row import TokenRow
from .session import TagSession
from .settings import TagModel

FEATURES = 32  # of a value beside a word


class Tag(TagReader):
    """See the module's docstring."""

    name: ClassVar[str] = "tag"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a tag for each word or character: names, chunks, parts of speech, slots and intents"
    higher_is_better: ClassVar[bool] = True

    @property
    def metric(self) -> str:  # type: ignore[override]
        """Spans are what counts where there are any."""
        return "accuracy" if self.tags.scheme == "plain" else "f1"

    def choose(self, reading: Reading) -> Settings:
        data = {
            "scheme": self.tags.scheme,
            "level": self.words.level,
            "spelling": self.words.spelling,
            "intent": "none" if self.intent is None else self.columns["intent"],
        }
        return choose_tag_settings(self.settings, reading, data)

    # network -------------------------------------------------------------------------------------------------------
    @property
    def outputs(self) -> int:
        return len(self.tags.tags)

    def network(self) -> nn.Module:
        model = self.settings.model
        assert isinstance(model, TagModel)
        members = [self._tagger(model) for _ in range(model.members or 1)]
        return members[0] if len(members) == 1 else Taggers(members)

    def _tagger(self, model: TagModel) -> Tagger:
        assert model.embedding_size and model.hidden_size and model.num_layers  # choose() has filled them
        words = Tokens(
            len(self.words),
            model.embedding_size,
            model.token_dropout or 0.0,
            pad=PAD,
            unknown=UNKNOWN,
            buckets=len(self.words.pieces) if self.words.spelling else None,
            frozen=model.vectors_frozen,
        )
        assert self.tags.scheme is not None
        return Tagger(
            Beside(words, [len(field) for field in self.beside], FEATURES),
            model.embedding_size + FEATURES * len(self.beside),
            self.cell,
            tags=len(self.tags.tags),
            transitions=Transitions(follows(self.tags.tags, self.tags.scheme)) if model.crf else None,
            intents=0 if self.intent is None else len(self.intent.classes),
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            backend=model.backend,
        )

    # training ------------------------------------------------------------------------------------------------------
    def _gather(self, store: Store, rows: np.ndarray, *, cut: bool) -> Batch:
        x, lengths = store.ragged(self.words.name, rows)
        inputs = {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)}
        for field in self.beside:
            inputs[field.name] = torch.from_numpy(store.ragged(field.name, rows)[0])
        targets = {"tags": torch.from_numpy(store.ragged(self.tags.name, rows)[0]).long()}
        if self.intent is not None:
            targets["intent"] = torch.from_numpy(np.array(store.column(self.intent.name)[rows]))
        return Batch(inputs, targets, int(lengths.sum()), int(x.shape[0] * x.shape[1]))

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Nats of the tags, and the intent if there is one, a token: the mean over the members."""
        scores = self._run(network, batch)
        losses = [
            self.row_losses(one, batch).sum() / batch.live for one in (scores if isinstance(scores, list) else [scores])
        ]
        return torch.stack(losses).mean(), None

    def _run(self, network: nn.Module, batch: Batch) -> Any:
        others = [batch.inputs[field.name] for field in self.beside]
        return network(batch.inputs["x"], batch.inputs["lengths"], others)

    def row_losses(self, output: Any, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        return row_losses(output, batch.targets["tags"], batch.inputs["lengths"], batch.targets.get("intent"))

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is not None:
            self.tags.forget()
            if self.intent is not None:
                self.intent.unseen.clear()
        figures = super().evaluate(network, data, tick)
        if figures["loss"] is None:  # each row has a tag without a probability
            del figures["loss"]
            if data is None:  # training goes by a loss
                figures["loss"] = 0.0
        return figures

    json_opens: ClassVar[str] = "{["

    def example(self, line: str) -> Any:
        """A line of a file of inputs: a JSON object, the list of the words, or raw text."""
        found = super().example(line)
        return line if isinstance(found, list) and not all(isinstance(word, str) for word in found) else found

    @property
    def _at_once(self) -> int:
        """Rows of a batch in use: choosing the best path takes K^2 numbers for each."""
        return max(1, min(256, 2**25 // len(self.tags.tags) ** 2))

    def _evaluate_store(self, network: nn.Module, store: Store, tick: Callable[[int], None]) -> dict[str, Any]:
        lengths = store.lengths(self.words.name)
        K = len(self.tags.tags)
        predicted: list[list[int]] = [[] for _ in range(len(store))]
        intents = np.full(len(store), -2)
        total = tokens = 0.0
        device = device_of(network)
        for rows in LengthBatches(lengths, self._at_once, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._gather(store, rows, cut=False).to(device)
            known = (batch.targets["tags"] < K).all(1)  # a tag that training did not have has no probability
            batch.targets["tags"] = batch.targets["tags"].clamp(max=K - 1)
            scores = self._run(network, batch)
            total += float(self.row_losses(scores, batch)[known].sum())
            tokens += float(batch.inputs["lengths"][known].sum())
            for row, path, length in zip(
                rows, best_tags(scores, batch.inputs["lengths"]).tolist(), lengths[rows], strict=True
            ):
                predicted[row] = path[:length]
            if scores.intent is not None:
                intents[rows] = scores.intent.argmax(1).cpu().numpy()
            tick(len(rows))
        flat, ends = store.flat(self.tags.name).tolist(), np.cumsum(lengths)
        wanted = [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        found = {"loss": total / tokens if tokens else None, **self.figures(predicted, {self.tags.name: wanted})}
        if self.intent is not None:
            found["intent_accuracy"] = float((intents == store.column(self.intent.name)).mean())
        if self.tags.unseen:
            found["unseen_tags"] = dict(self.tags.unseen)
        if self.intent is not None and self.intent.unseen:
            found["unseen_intents"] = dict(self.intent.unseen)
        return found

    def figures(self, outputs: Any, targets: Any) -> dict[str, Any]:
        """Of the tags by number, a list a row: predicted, and wanted under the field's name."""
        wanted, predicted = targets[self.tags.name], outputs
        right = sum(
            a == b for one, other in zip(wanted, predicted, strict=True) for a, b in zip(one, other, strict=True)
        )
        figures: dict[str, Any] = {"accuracy": right / max(sum(map(len, wanted)), 1)}
        true, guessed = ([self.tags.names(row) for row in part] for part in (wanted, predicted))
        assert self.tags.scheme is not None
        if self.tags.scheme == "plain":
            return figures | tag_figures(true, guessed)
        return figures | span_figures(true, guessed, self.tags.scheme)

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        rows = [self.tokens_of(example, number) for number, example in enumerate(examples, 1)]
        paths: list[list[int]] = [[] for _ in rows]
        intents: list[Tensor | None] = [None] * len(rows)
        full = np.flatnonzero([len(row.tokens) for row in rows])
        words = self.words.encode([rows[at].tokens for at in full])
        others = [field.encode([rows[at].beside[k] for at in full]) for k, field in enumerate(self.beside)]
        lengths = np.array([len(array) for array in words], np.int64)
        device = device_of(network)
        for part in LengthBatches(lengths, self._at_once, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x, *beside = (padded([arrays[at] for at in part]).to(device) for arrays in (words, *others))
            live = torch.from_numpy(lengths[part]).to(device)
            scores = network(x, live, beside)
            for at, path in zip(full[part], best_tags(scores, live).tolist(), strict=True):
                paths[at] = path[: len(rows[at].tokens)]
            if scores.intent is not None:
                for at, probabilities in zip(full[part], scores.intent.float().softmax(1).cpu(), strict=True):
                    intents[at] = probabilities
        return self.decode(zip(rows, paths, intents, strict=True))

    def decode(self, outputs: Any) -> list[dict[str, Any]]:
        """One JSON object for each (row, its tags by number, probabilities of the intents or None)."""
        return [self._decoded(*output) for output in outputs]

    def _decoded(self, row: TokenRow, path: Sequence[int], intent: Tensor | None) -> dict[str, Any]:
        assert self.tags.scheme is not None
        found = tags_answer(row, self.tags.names(path), self.tags.scheme, self.words.level)
        return found if self.intent is None else found | intent_answer(intent, self.intent.classes)

    def streams(self) -> tuple[bool, str]:
        if getattr(self.settings.model, "crf", False):
            both = "bidirectional=false --set crf=false" if self.settings.model.bidirectional else "crf=false"  # type: ignore[attr-defined]
            return False, f"a conditional random field chooses all tags together, at the end; --set {both} streams"
        return super().streams()

    def session(self, network: nn.Module) -> Session:
        if not self.streams()[0]:
            return super().session(network)
        return TagSession(network, self.words, self.beside, self.tokens_of, self._decoded)
