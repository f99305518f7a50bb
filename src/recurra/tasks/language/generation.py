"""Text generation with a language model: tokens are sampled one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ...data.words.vocabulary import Vocabulary
from ...decoding.sampling import sample_token
from ...errors import SettingError
from .pattern import Pattern
from .session import LanguageSession

DEFAULT_LENGTH = 200  # tokens
MAX_TEXT_LENGTH = 2000  # tokens of an independent text whose end is not sampled


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
    pattern: str | None = None,
) -> Iterator[str]:
    """Yield the generated text piece by piece, without the prompt.

    session       session at the beginning of a text
    prompt        text to continue
    length        number of tokens; None generates one text (a poem, a line) where `separator` separates independent texts,
                  and `DEFAULT_LENGTH` tokens otherwise
    separator     string that separates independent texts; empty where there are none
    temperature   see `recurra.decoding.sampling.sample_token`, also for `top_k` and `top_p`
    seed          seed of the random numbers; None generates another text with every call
    pattern       tones, rhymes and punctuation of the text, which determine its length: see `Pattern`

    Raises SettingError where a value is out of range.
    """
    if length is not None and length < 0:
        raise SettingError(f"length = {length}: it must be 0 or more tokens")
    vocabulary, generator = session.vocabulary, torch.Generator()
    generator.manual_seed(seed) if seed is not None else generator.seed()
    form = None if pattern is None else Pattern(pattern, vocabulary)
    if form is not None and length is not None:
        raise SettingError(
            f"length = {length}: the pattern determines the length, {len(form)} characters; leave it out"
        )
    length = length if form is None else len(form)
    end = separator if length is None else ""
    session.push(prompt)
    session.flush()
    sampled: list[int] = []
    by_character = vocabulary.tokenization == "characters"
    written = prompt if by_character else ""
    for _ in range(length if length is not None else MAX_TEXT_LENGTH if end else DEFAULT_LENGTH):
        logits = session.logits.clone()
        logits[[vocabulary.pad, vocabulary.unknown]] = -torch.inf
        if vocabulary.tokenization != "words":
            logits[vocabulary.end] = -torch.inf
        if form is not None:
            logits[~form.allowed(len(sampled)).to(logits.device)] = -torch.inf
        token = sample_token(logits, temperature, top_k, top_p, generator)
        if form is not None:
            form.wrote(len(sampled), token)
        session.read([token])
        sampled.append(token)
        # A subword may be half a character, and a word may follow a space: all sampled tokens are decoded together.
        text = written + vocabulary.tokens[token] if by_character else decode_lines(vocabulary, sampled)
        if end and text.endswith(end) and text.strip():
            return
        if text.startswith(written) and not text.endswith("\ufffd"):
            yield text[len(written) :]
            written = text


def decode_lines(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    """Return the text of token ids. With a vocabulary of words the end token is a line break."""
    if vocabulary.tokenization != "words":
        return vocabulary.decode(ids)
    lines: list[list[int]] = [[]]
    for i in ids:
        lines.append([]) if i == vocabulary.end else lines[-1].append(i)
    return "\n".join(vocabulary.decode(line) for line in lines)
