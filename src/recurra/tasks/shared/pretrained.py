"""First weights from elsewhere: word vectors that others trained, or a language model of one's own unlabelled text.

    --vectors FILE    the embedding begins with the vectors of a file, for the words that it has
    --pretrain RUN    embedding and recurrent layers begin as those of a `language` run, whose vocabulary is taken too
                      (Dai and Le 2015, arXiv:1511.01432; Howard and Ruder 2018, arXiv:1801.06146)

Both act once, before training. The run folder then holds all: it needs neither the file nor the other run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field as Setting
from torch import nn

from ...data.words.vectors import EXACT, VectorFile, look_up
from ...errors import DataError, SettingError
from ...fields.lexicon import Lexicon
from ...fields.text import Text
from ...fields.words import Words
from ...models.encoder import EncoderModel, Tokens
from ...nn import Recurrent
from ...settings import ADDED, RARE
from ..base import Reading, Say
from ..language.pretrained_run import LanguageRun
from .sequence_task import RowTask

PIECE = 1 << 20  # steps counted at once


class PretrainedModel(EncoderModel):
    """An encoder of words, which may begin with what was learnt elsewhere."""

    vectors: str | None = Setting(
        None, description="file of word vectors: GloVe, word2vec, .vec", json_schema_extra=ADDED
    )
    vectors_frozen: bool = Setting(False, description="those vectors are not trained", json_schema_extra=RARE)
    pretrain: str | None = Setting(
        None, description="language run whose weights are the first", json_schema_extra=ADDED
    )


class Pretrained(RowTask):
    """A row task over words. `one_way`: with a language model it reads in its direction alone, unless told."""

    one_way: ClassVar[bool] = False
    file: VectorFile | None = None
    model_run: LanguageRun | None = None

    @property
    def words_field(self) -> Text | Words:
        assert isinstance(self.input, Text | Words)
        return self.input

    @property
    def model(self) -> PretrainedModel:
        assert isinstance(self.settings.model, PretrainedModel)
        return self.settings.model

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        """As ever, once it is known that vectors and run can be used."""
        lines: list[str] = []
        if self.model.vectors and self.model.pretrain:
            raise SettingError("vectors and pretrain each say how the embedding begins; give one of them")
        if self.model.vectors_frozen and not self.model.vectors:
            raise SettingError("vectors_frozen is for --vectors FILE; there are none to freeze")
        if self.model.vectors:
            self.file = VectorFile(self.model.vectors)
            self._agree("embedding_size", self.file.size, f"the vectors in {self.file.path}")
            self._take({"embedding_size": self.file.size})
        elif self.model.pretrain:
            lines = self._take_run(LanguageRun(self.model.pretrain))
        reading = super().read(data, valid, cache, say, tick)
        reading.lines += lines
        return reading

    def _agree(self, name: str, theirs: Any, whose: str) -> None:
        given = getattr(self.settings.model, name)
        if given not in (None, theirs):
            raise SettingError(f"{name} = {given}, and {whose} have {theirs}; leave {name} out")

    def _take(self, model: dict[str, Any]) -> None:
        self.settings = self.settings.with_(model=model)

    def _take_run(self, run: LanguageRun) -> list[str]:
        """Settle vocabulary and sizes by the language model's; what is said of it."""
        whose = f"the weights of {run.path}"
        for name, value in run.sizes.items():
            self._agree(name, value, whose)
        if self.model.cell_options and self.model.cell_options != run.cell_options:
            raise SettingError(
                f"cell_options = {self.model.cell_options}, and {whose} have {run.cell_options}; leave it out"
            )
        if ":" in str(run.sizes["cell"]) and self.own_cell is None:
            raise SettingError(
                f"{run.path} was trained with a cell of somebody's own; name it: --cell {run.sizes['cell']}"
            )
        size, default = (
            getattr(self.settings.data, "vocabulary_size", None),
            type(self).Data.model_fields["vocabulary_size"],
        )
        if isinstance(self.input, Text) and size != default.default and size is not None and size < len(run.vocabulary):
            raise SettingError(
                f"vocabulary_size = {size}, and with --pretrain the vocabulary is that of {run.path}, "
                f"{len(run.vocabulary):,} {run.vocabulary.level}; leave it out"
            )
        taken: dict[str, Any] = {**run.sizes, "cell_options": run.cell_options}
        if self.model.members is None:
            taken["members"] = 1  # several would begin as one
        both = self.model.bidirectional
        if both and self.one_way and "bidirectional" not in self.model.model_fields_set:
            both = taken["bidirectional"] = False
        if both and run.sizes["num_layers"] > 1:
            raise SettingError(
                f"{run.path} has {run.sizes['num_layers']} layers; above the first, layers that read both ways take other "
                "input than its layers do: --set bidirectional=false, or train the language model with num_layers=1"
            )
        self.words_field.take(run.vocabulary)
        self._take(taken)
        self.model_run = run
        ways = "its direction alone" if not both else "also backwards, which begins anew"
        return [
            f"begins from {run.path}, a language model of {len(run.vocabulary):,} {run.vocabulary.level}; reads {ways}"
        ]

    # first weights -------------------------------------------------------------------------------------------------
    def first_weights(self, network: nn.Module, tick: Callable[[int], None]) -> list[str]:
        tables = [module for module in network.modules() if isinstance(module, Tokens)]
        if self.file is None and self.model_run is None:
            return []
        for table in tables:
            if table.spelling is not None:
                table.spelling.weight.zero_()  # at first the vectors speak alone
        if self.file is not None:
            return self._fill_vectors(self.file, tables, tick)
        assert self.model_run is not None
        return self._fill_run(self.model_run, network, tables)

    def _fill_vectors(self, file: VectorFile, tables: Sequence[Tokens], tick: Callable[[int], None]) -> list[str]:
        lexicon = self.words_field.lexicon()
        if lexicon.level == "subwords":
            raise SettingError(f"{file.path} has vectors of words, and level is subwords; --set level=words")
        found = look_up(file, lexicon.words, lexicon.normal, tick)
        known = np.concatenate([np.zeros(lexicon.first, bool), found.how > 0])
        vectors = torch.from_numpy(found.vectors[found.how > 0])
        spread = float(vectors.std()) if vectors.numel() > 1 else 0.1
        for table in tables:
            weight = table.embedding.weight
            weight[1:].normal_(std=spread)  # what the file lacks begins as large as what it has
            weight[table.drop.unknown] = vectors.mean(0).to(weight.dtype)
            weight[torch.from_numpy(known)] = vectors.to(weight.dtype)
            if table.frozen:
                table.held.copy_(torch.from_numpy(known))
        running = self._running(len(known))
        other = int(((found.how > 0) & (found.how < EXACT)).sum())
        return [
            f"vectors: {file.size} numbers a word; {_percent(known[lexicon.first :].mean())} of the {lexicon.level}, "
            f"{_percent(running[known].sum() / max(running.sum(), 1))} of the running {lexicon.level}"
            + (f"; {other:,} in another case" if other else "")
            + ("; not trained" if self.model.vectors_frozen else "")
        ]

    def _running(self, size: int) -> np.ndarray:
        """How often each number occurs in the training part, (size,)."""
        flat = self.stores["train"].flat(self.input.name)
        counts = np.zeros(size, np.int64)
        for at in range(0, len(flat), PIECE):
            part = np.asarray(flat[at : at + PIECE])
            counts += np.bincount(part if part.ndim == 1 else part[:, 0], minlength=size)
        return counts

    def _fill_run(self, run: LanguageRun, network: nn.Module, tables: Sequence[Tokens]) -> list[str]:
        lexicon = self.words_field.lexicon()
        weights = run.weights()
        rows, known = _rows(lexicon, run)
        for table in tables:
            table.embedding.weight.copy_(weights["embedding.weight"][torch.from_numpy(rows)])
            table.embedding.weight[0].zero_()
        for layer in network.modules():
            if isinstance(layer, Recurrent):
                run.fill(layer, weights)
        running = self._running(len(rows))
        if not running[lexicon.first :][known[lexicon.first :]].any():
            raise DataError(
                f"the model of {self.model.pretrain} knows none of the {lexicon.level} here: name one of text of this kind, "
                "or leave out --pretrain"
            )
        return [
            f"the model knows {_percent(running[known].sum() / max(running.sum(), 1))} of the running {lexicon.level}"
        ]


def _rows(lexicon: Lexicon, run: LanguageRun) -> tuple[np.ndarray, np.ndarray]:
    """For each number of the field that of the language model, whose unknown stands for what it lacks; and which it has."""
    tokens = run.vocabulary.tokens
    theirs: dict[str, int] = {}
    for number, token in enumerate(tokens[3:], 3):
        theirs.setdefault(lexicon.normal(token), number)
    theirs |= {token: number for number, token in enumerate(tokens[3:], 3)}
    unknown = run.vocabulary.unknown
    rows = np.array([*range(lexicon.first), *(theirs.get(word, unknown) for word in lexicon.words)])
    return rows, rows > unknown


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share < 0.995 or share == 1 else f"{100 * share:.1f} %"
