"""Pretrained weights: word vectors that others trained, or a language model of one's own unlabelled text.

    --embeddings FILE    the embedding begins with the vectors of a file, for the words that it has
    --pretrained RUN    embedding and recurrent layers begin as those of a `language` run, whose vocabulary is taken too
                      (Dai and Le 2015, arXiv:1511.01432; Howard and Ruder 2018, arXiv:1801.06146)

Both act once, before training. The run folder then holds all: it needs neither the file nor the other run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import nn

from ...data.store.store import Store
from ...data.words.embeddings import EXACT, EmbeddingFile, find_embeddings
from ...data.words.vocabulary import Vocabulary
from ...errors import DataError, SettingError
from ...fields.lexicon import Lexicon
from ...models.encoder import EncoderModel, TokenEmbedding
from ...nn import Recurrent
from ...settings import setting
from ..base import DatasetInfo, OnProgress
from ..language.pretrained_run import LanguageRun

PIECE = 1 << 20  # steps counted at once


class PretrainedModel(EncoderModel):
    """An encoder of words, which may begin with what was learnt elsewhere."""

    embeddings: str | None = setting(None, description="file of word vectors: GloVe, word2vec, .vec")
    freeze_embeddings: bool = setting(False, description="those vectors are not trained", advanced=True)
    pretrained: str | None = setting(None, description="language run whose weights are the first")


class WordField(Protocol):
    """A field of words, which may use the vocabulary of a language model."""

    name: str

    def take(self, vocabulary: Vocabulary) -> None:
        """Use the vocabulary of a language model."""

    def lexicon(self) -> Lexicon:
        """The words that have a vector each."""


@final
class Pretrained:
    """What `--embeddings` or `--pretrained` gives. `one_way`: with a language model the encoder is unidirectional by default.

    Construction checks the settings, and opens the file or the run. Raises SettingError, DataError or RunError.
    """

    def __init__(self, model: PretrainedModel, *, one_way: bool) -> None:
        self.model, self.one_way = model, one_way
        self.file: EmbeddingFile | None = None
        self.run: LanguageRun | None = None
        if model.embeddings and model.pretrained:
            raise SettingError("vectors and pretrain each say how the embedding begins; give one of them")
        if model.freeze_embeddings and not model.embeddings:
            raise SettingError("vectors_frozen is for --embeddings FILE; there are none to freeze")
        if model.embeddings:
            self.file = EmbeddingFile(model.embeddings)
            self._agree("embedding_size", self.file.size, f"the vectors in {self.file.path}")
        elif model.pretrained:
            self.run = LanguageRun(model.pretrained)

    # before the rows are read --------------------------------------------------------------------------------------
    def settle(self, field: WordField, vocabulary_size: int | None, info: DatasetInfo) -> None:
        """Give `field` the vocabulary of the language model; add the settings that follow, and a line, to `info`.

        `vocabulary_size`: what the user chose instead, where the vocabulary is the language model's alone; else None.
        """
        if self.file is not None:
            info.settings["model"] = {"embedding_size": self.file.size}
        elif self.run is not None:
            self._settle_run(self.run, field, vocabulary_size, info)

    def _agree(self, name: str, theirs: Any, whose: str) -> None:
        given = getattr(self.model, name)
        if given not in (None, theirs):
            raise SettingError(f"{name} = {given}, and {whose} have {theirs}; leave {name} out")

    def _settle_run(self, run: LanguageRun, field: WordField, vocabulary_size: int | None, info: DatasetInfo) -> None:
        """Vocabulary and sizes are the language model's."""
        whose = f"the weights of {run.path}"
        for name, value in run.sizes.items():
            self._agree(name, value, whose)
        if self.model.cell_options and self.model.cell_options != run.cell_options:
            raise SettingError(
                f"cell_options = {self.model.cell_options}, and {whose} have {run.cell_options}; leave it out"
            )
        if vocabulary_size is not None and vocabulary_size < len(run.vocabulary):
            raise SettingError(
                f"vocabulary_size = {vocabulary_size}, and with --pretrained the vocabulary is that of {run.path}, "
                f"{len(run.vocabulary):,} {run.vocabulary.tokenization}; leave it out"
            )
        settled: dict[str, Any] = {**run.sizes, "cell_options": run.cell_options}
        if self.model.ensemble_size is None:
            settled["ensemble_size"] = 1  # several would begin as one
        both = self.model.bidirectional
        if both and self.one_way and "bidirectional" not in self.model.model_fields_set:
            both = settled["bidirectional"] = False
        if both and run.sizes["num_layers"] > 1:
            raise SettingError(
                f"{run.path} has {run.sizes['num_layers']} layers; above the first, layers that read both ways take other "
                "input than its layers do: --set bidirectional=false, or train the language model with num_layers=1"
            )
        field.take(run.vocabulary)
        info.settings["model"] = settled
        ways = "its direction alone" if not both else "also backwards, which begins anew"
        info.messages.append(
            f"begins from {run.path}, a language model of {len(run.vocabulary):,} {run.vocabulary.tokenization}; reads {ways}"
        )

    # a new network -------------------------------------------------------------------------------------------------
    def fill(self, network: nn.Module, field: WordField, train: Store, on_progress: OnProgress) -> list[str]:
        """Fill embedding and layers of a new network. `train`: the encoded training part. Lines for the user."""
        if self.file is None and self.run is None:
            return []
        tables = [module for module in network.modules() if isinstance(module, TokenEmbedding)]
        for table in tables:
            if table.ngram_embedding is not None:
                table.ngram_embedding.weight.zero_()  # at first the vectors speak alone
        lexicon = field.lexicon()
        running = _running(train, field.name, lexicon.first_id + len(lexicon.words))
        if self.file is not None:
            return self._fill_vectors(self.file, tables, lexicon, running, on_progress)
        if self.run is not None:
            return self._fill_run(self.run, network, tables, lexicon, running)
        return []

    def _fill_vectors(
        self,
        file: EmbeddingFile,
        tables: Sequence[TokenEmbedding],
        lexicon: Lexicon,
        running: np.ndarray,
        on_progress: OnProgress,
    ) -> list[str]:
        if lexicon.tokenization == "subwords":
            raise SettingError(
                f"{file.path} has vectors of words, and tokenization is subwords; --set tokenization=words"
            )
        found = find_embeddings(file, lexicon.words, lexicon.normalize, on_progress)
        known = np.concatenate([np.zeros(lexicon.first_id, bool), found.match > 0])
        vectors = torch.from_numpy(found.vectors[found.match > 0])
        spread = float(vectors.std()) if vectors.numel() > 1 else 0.1
        for table in tables:
            weight = table.embedding.weight
            weight[1:].normal_(std=spread)  # what the file lacks begins as large as what it has
            weight[table.drop.unknown] = vectors.mean(0).to(weight.dtype)
            weight[torch.from_numpy(known)] = vectors.to(weight.dtype)
            if table.frozen:
                table.frozen_rows.copy_(torch.from_numpy(known))
        other = int(((found.match > 0) & (found.match < EXACT)).sum())
        return [
            f"vectors: {file.size} numbers a word; {_percent(known[lexicon.first_id :].mean())} of the {lexicon.tokenization}, "
            f"{_percent(running[known].sum() / max(running.sum(), 1))} of the running {lexicon.tokenization}"
            + (f"; {other:,} in another case" if other else "")
            + ("; not trained" if self.model.freeze_embeddings else "")
        ]

    def _fill_run(
        self,
        run: LanguageRun,
        network: nn.Module,
        tables: Sequence[TokenEmbedding],
        lexicon: Lexicon,
        running: np.ndarray,
    ) -> list[str]:
        weights = run.weights()
        rows, known = _rows(lexicon, run)
        for table in tables:
            table.embedding.weight.copy_(weights["embedding.weight"][torch.from_numpy(rows)])
            table.embedding.weight[0].zero_()
        for layer in network.modules():
            if isinstance(layer, Recurrent):
                run.fill(layer, weights)
        if not running[lexicon.first_id :][known[lexicon.first_id :]].any():
            raise DataError(
                f"the model of {self.model.pretrained} knows none of the {lexicon.tokenization} here: name one of text of this kind, "
                "or leave out --pretrained"
            )
        return [
            f"the model knows {_percent(running[known].sum() / max(running.sum(), 1))} of the running {lexicon.tokenization}"
        ]


def _running(train: Store, name: str, size: int) -> np.ndarray:
    """How often each number occurs in the training part, (size,)."""
    flat = train.flat(name)
    counts = np.zeros(size, np.int64)
    for at in range(0, len(flat), PIECE):
        part = np.asarray(flat[at : at + PIECE])
        counts += np.bincount(part if part.ndim == 1 else part[:, 0], minlength=size)
    return counts


def _rows(lexicon: Lexicon, run: LanguageRun) -> tuple[np.ndarray, np.ndarray]:
    """For each number of the field that of the language model, whose unknown stands for what it lacks; and which it has."""
    tokens = run.vocabulary.tokens
    theirs: dict[str, int] = {}
    for number, token in enumerate(tokens[3:], 3):
        theirs.setdefault(lexicon.normalize(token), number)
    theirs |= {token: number for number, token in enumerate(tokens[3:], 3)}
    unknown = run.vocabulary.unknown
    rows = np.array([*range(lexicon.first_id), *(theirs.get(word, unknown) for word in lexicon.words)])
    return rows, rows > unknown


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share < 0.995 or share == 1 else f"{100 * share:.1f} %"
