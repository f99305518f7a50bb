"""Patterns that split text into words or into the units of subwords, and the boundaries at which a text can be split.

Words are runs of letters, marks and digits with inner apostrophes ("don't"); single characters of Chinese, Japanese kana and
scripts such as Thai, which are written without spaces; the two halves of a markup tag ("<br", "/>"); up to three equal
punctuation marks ("!!!", "..."); and single other characters. Whitespace separates words and is dropped.

Units of subwords are runs of one kind of characters (letters, Chinese, other) with one leading space, or whitespace. Nothing
is dropped.

The patterns have no lookahead and no lookbehind. A text can therefore be split at certain characters, and its parts encoded
separately, with the same result; streams rely on this. Unicode normalization (NFC) has no effect across these boundaries
either. The patterns and the boundaries use the same explicit character ranges, so that they cannot differ between two versions
of Unicode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tokenizers import Regex, decoders, normalizers, pre_tokenizers

HAN = "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACE = " \t\n\r"
_UNSPACED = (
    f"{HAN}\\p{{Hiragana}}\\p{{Katakana}}\\p{{Thai}}\\p{{Lao}}\\p{{Khmer}}\\p{{Myanmar}}"  # written without spaces
)
_LETTER = f"[\\p{{L}}\\p{{M}}\\p{{N}}&&[^{_UNSPACED}]]"
_MARKS = "!?.,;:-~*=_#"
_REPEATED = "".join(f"|{re.escape(mark)}{{1,3}}" for mark in _MARKS + "。！？…—")
_TAG = "</?[A-Za-z][A-Za-z0-9]*|/?>"
_WORDS = f"{_TAG}|{_LETTER}+(?:['’]{_LETTER}+)*|[{HAN}]{_REPEATED}|[^\\s{_SPACE}\u3000{HAN}]\\p{{M}}*"
# The same for a text of ASCII characters alone, which Python's own patterns split in a third of the time: the most frequent
# alternatives come first, and those of the marks are tried at a mark only.
_ASCII_MARKS = "|".join(f"{re.escape(mark)}{{1,3}}" for mark in _MARKS)
_ASCII_WORDS = re.compile(
    f"[A-Za-z0-9]++(?:'[A-Za-z0-9]++)*+|(?=[{re.escape(_MARKS)}])(?:{_ASCII_MARKS})|{_TAG}|[^ \t\n\v\f\r]"
)
_SUBWORD_LETTER = f"[\\p{{L}}\\p{{M}}&&[^{HAN}{_SPACE}]]"
_SUBWORD_UNITS = (
    f" ?{_SUBWORD_LETTER}+(?:['’]{_SUBWORD_LETTER}+)*| ?[{HAN}]+| ?[\\p{{N}}&&[^{HAN}]]{{1,3}}"
    f"| ?[^\\p{{L}}\\p{{M}}\\p{{N}}{HAN}{_SPACE}]+| ?[^{_SPACE}]| +|[\\t\\n\\r]+"
)

_NO_BLANKS = re.compile(r"\S+")
_LAST_BLANK = re.compile(r"(?s:.*)\s")
_LAST_WORD_BOUNDARY = re.compile(f"(?s:.*)[{_SPACE}\u3000{HAN}]")
_HAN = re.compile(f"[{HAN}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_SPACE_BEFORE = re.compile(r"[,.!?;:%)\]}>…'’”]")
_NO_SPACE_AFTER = re.compile(r".*[(\[{“‘<]$", re.DOTALL)
_FULL_WIDTH = re.compile(f"[{HAN}\u3000-\u30ff\uff00-\uffef“”‘’…—]")


def clean(text: str) -> str:
    """`text` with lone surrogates, which tokenizers reject, replaced by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def word_normalizer(lowercase: bool) -> normalizers.Normalizer:
    """The normalization of words: NFC and, optionally, lower case."""
    return normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()] if lowercase else [normalizers.NFC()])


def word_pretokenizer() -> pre_tokenizers.PreTokenizer:
    """Splits text into words."""
    return pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)


_WORD_PRETOKENIZER = word_pretokenizer()


def split_ascii(text: str, lowercase: bool) -> list[str]:
    """The words of a text of ASCII characters, as the normalization and the patterns of words give them."""
    words: list[str] = _ASCII_WORDS.findall(text.lower() if lowercase else text)
    return words


def subword_pretokenizer() -> pre_tokenizers.PreTokenizer:
    """Splits text into the units within which subwords are formed, as byte-level characters."""
    units = pre_tokenizers.Split(Regex(_SUBWORD_UNITS), "isolated")
    return pre_tokenizers.Sequence([units, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def subword_decoder() -> decoders.Decoder:
    """Converts byte-level characters back to text."""
    return decoders.ByteLevel()


def tokenize(text: str, tokenization: str) -> tuple[list[str], list[tuple[int, int]]]:
    """The words of `text`, its characters except whitespace, or its parts between blanks, each with its offsets (begin, end).

    >>> tokenize("Ada left.", "words")
    (['Ada', 'left', '.'], [(0, 3), (4, 8), (8, 9)])
    >>> tokenize("Ada left.", "blanks")
    (['Ada', 'left.'], [(0, 3), (4, 9)])
    """
    text = clean(text)
    if tokenization == "characters":
        tokens = [(character, (at, at + 1)) for at, character in enumerate(text) if not character.isspace()]
    elif tokenization == "blanks":
        tokens = [(match[0], match.span()) for match in _NO_BLANKS.finditer(text)]
    else:
        tokens = _WORD_PRETOKENIZER.pre_tokenize_str(text)
    return [token for token, _ in tokens], [offsets for _, offsets in tokens]


def last_word_boundary(text: str, start: int) -> int:
    """The last position at or after `start` where `text` can be split between words, or 0: after whitespace or Chinese."""
    match = _LAST_WORD_BOUNDARY.match(text, start)
    return match.end() if match else 0


def last_token_boundary(text: str, start: int, tokenization: str) -> int:
    """The last position where `text` can be split between the tokens of `tokenize`, at or after `start`; 0 if there is none.

    >>> last_token_boundary("Ada le", 0, "blanks"), last_token_boundary("Ada le", 0, "characters")
    (4, 6)
    """
    if tokenization == "characters":
        return len(text)
    match = (_LAST_BLANK if tokenization == "blanks" else _LAST_WORD_BOUNDARY).match(text, start)
    return match.end() if match else 0


def last_subword_boundary(text: str, start: int) -> int:
    """The same for subwords: between kinds of characters (space, Chinese, other), but not after a space."""
    for at in range(len(text) - 1, max(start, 1) - 1, -1):
        left, right = _kind(text[at - 1]), _kind(text[at])
        if left != "space" and left != right:
            return at
    return 0


def _kind(character: str) -> str:
    return "space" if character in _SPACE else "han" if _HAN.match(character) else "other"


def join(words: list[str]) -> str:
    """The text of words: with spaces between them, but not within Chinese text or before closing punctuation.

    >>> join(["I", "like", "it", "."])
    'I like it.'
    """
    text = ""
    for word in words:
        no_space = not text or _NO_SPACE_BEFORE.match(word) or _NO_SPACE_AFTER.match(text[-1:])
        if not no_space and _FULL_WIDTH.match(word) and _FULL_WIDTH.match(text[-1]):
            no_space = True
        text += word if no_space or _is_chinese_punctuation(word) or _is_chinese_punctuation(text[-1]) else " " + word
    return text


def han_fraction(texts: Iterable[str]) -> float:
    """The fraction of the characters of `texts` that are Chinese."""
    chinese = total = 0
    for text in texts:
        chinese, total = chinese + len(_HAN.findall(text)), total + len(text)
    return chinese / max(total, 1)


def _is_chinese_punctuation(word: str) -> bool:
    return word[0] in "，。！？；：、（）《》「」『』【】…—"
