"""Patterns of poems: the tone of each character, the rhymes, and the punctuation of a text to generate.

    平   a character with a level tone
    仄   a character with an oblique tone
    中   any character but punctuation
    韵   a level tone that rhymes with the first 韵
    叶   an oblique tone that rhymes with the first 叶

Every other character, such as punctuation and line breaks, stands for itself. Tones and rhymes are those of modern Mandarin,
in the groups of 中华新韵: see `recurra.data.words.prosody`.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from ...data.words.prosody import rhyme_group, tone_class
from ...data.words.vocabulary import SPECIAL_TOKENS, Vocabulary
from ...errors import SettingError

TONES = {"平": "level", "仄": "oblique", "韵": "level", "叶": "oblique"}
RHYMES = ("韵", "叶")
ANY = "中"


@final
class Pattern:
    """The constraints of a pattern on the characters of a text.

    Raises SettingError if the pattern has no tone, or the vocabulary does not consist of characters.
    """

    def __init__(self, pattern: str, vocabulary: Vocabulary) -> None:
        if not set(pattern) & {*TONES, ANY}:
            raise SettingError(f"pattern is {pattern!r}; expected 平, 仄, 中, 韵 or 叶 for the characters of a poem")
        if vocabulary.tokenization != "characters":
            raise SettingError(
                f"pattern requires a run with tokenization=characters; this one has {vocabulary.tokenization}"
            )
        self.pattern = pattern
        characters = vocabulary.tokens[len(SPECIAL_TOKENS) :]
        self.tokens = [""] * len(SPECIAL_TOKENS) + [str(character) for character in characters]
        self.tones = [tone_class(character) if character else None for character in self.tokens]
        self.groups = [rhyme_group(character) if character else None for character in self.tokens]
        self._rhymes: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self.pattern)

    def allowed(self, position: int) -> Tensor:
        """Return the mask (V,) of the tokens that are allowed at a position, given what `wrote` recorded."""
        symbol = self.pattern[position]
        if symbol not in (*TONES, ANY):
            mask = [token == symbol for token in self.tokens]
        elif symbol == ANY:
            mask = [bool(token) and token.isalnum() for token in self.tokens]
        else:
            mask = [tone == TONES[symbol] for tone in self.tones]
        if group := self._rhymes.get(symbol):
            mask = [one and other == group for one, other in zip(mask, self.groups, strict=True)]
        if not any(mask):
            raise SettingError(f"pattern, character {position + 1}: no character of this run satisfies {symbol!r}")
        return torch.tensor(mask)

    def wrote(self, position: int, token: int) -> None:
        """Record the token at a position: the first rhyming character determines the group."""
        symbol = self.pattern[position]
        if symbol in RHYMES:
            self._rhymes.setdefault(symbol, self.groups[token])
