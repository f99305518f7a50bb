"""Writing text with a language model: one token is drawn after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ...data.words.vocabulary import Vocabulary
from ...decoding.sampling import sample_token
from ...errors import SettingError
from .session import LanguageSession

DEFAULT_LENGTH = 200  # tokens
MAX_TEXT_LENGTH = 2000  # tokens of an independent text whose end is not drawn


def generate_text(
    session: LanguageSession,
    prompt: str,
    length: int | None,
    separator: str,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> Iterator[str]:
    """Pieces of text as they are drawn, the prompt not among them. `session` is at its beginning.

    length      None: one text (a poem, a line) where `separator` separates independent ones, else `DEFAULT_LENGTH` tokens
    seed        None: another text with every call
    """
    if length is not None and length < 0:
        raise SettingError(f"length is {length}; wanted 0 or more tokens")
    vocabulary, generator = session.vocabulary, torch.Generator()
    generator.manual_seed(seed) if seed is not None else generator.seed()
    end = separator if length is None else ""
    session.push(prompt)
    session.flush()
    drawn: list[int] = []
    by_character = vocabulary.tokenization == "characters"
    written = prompt if by_character else ""
    for _ in range(length if length is not None else MAX_TEXT_LENGTH if end else DEFAULT_LENGTH):
        logits = session.logits.clone()
        logits[[vocabulary.pad, vocabulary.unknown]] = -torch.inf
        if vocabulary.tokenization != "words":
            logits[vocabulary.end] = -torch.inf
        token = sample_token(logits, temperature, top_k, top_p, generator)
        session.read([token])
        drawn.append(token)
        # A subword may be half a character, and a word may follow a blank: all that was drawn is decoded together.
        text = written + vocabulary.tokens[token] if by_character else decode_lines(vocabulary, drawn)
        if end and text.endswith(end) and text.strip():
            return
        if text.startswith(written) and not text.endswith("\ufffd"):
            yield text[len(written) :]
            written = text


def decode_lines(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    """The text of `ids`; with a vocabulary of words an end mark is a line end."""
    if vocabulary.tokenization != "words":
        return vocabulary.decode(ids)
    lines: list[list[int]] = [[]]
    for i in ids:
        lines.append([]) if i == vocabulary.end else lines[-1].append(i)
    return "\n".join(vocabulary.decode(line) for line in lines)
