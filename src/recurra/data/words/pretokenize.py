"""How text is cut: the patterns of words and of the pieces subwords are made in, and where a text may be parted.

Words: runs of letters, marks and digits with inner apostrophes ("don't"); Chinese, Japanese kana and Thai-like
scripts, which write no blanks, one character at a time; the two halves of a tag ("<br", "/>"); up to three equal
punctuation marks ("!!!", "..."); any other character alone. White space parts words and is dropped.

Subwords: pieces of one kind (letters, Chinese, other) with one leading blank, or white space; nothing is dropped.

No pattern looks ahead or behind. So a text may be cut beside certain characters and its halves encoded alone, with
the same result: this is what lets a stream be tokenised. Normalisation (NFC) does not reach across them either.
The pattern and the cuts use the same explicit ranges, so that two Unicode tables can never disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tokenizers import Regex, decoders, normalizers, pre_tokenizers

HAN = "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BLANK = " \t\n\r"
_ALONE = f"{HAN}\\p{{Hiragana}}\\p{{Katakana}}\\p{{Thai}}\\p{{Lao}}\\p{{Khmer}}\\p{{Myanmar}}"  # written without blanks
_LETTER = f"[\\p{{L}}\\p{{M}}\\p{{N}}&&[^{_ALONE}]]"
_REPEATED = "".join(f"|{re.escape(mark)}{{1,3}}" for mark in "!?.,;:-~*=_#。！？…—")
_WORDS = (
    f"</?[A-Za-z][A-Za-z0-9]*|/?>|{_LETTER}+(?:['’]{_LETTER}+)*|[{HAN}]{_REPEATED}|[^\\s{_BLANK}\u3000{HAN}]\\p{{M}}*"
)
_RUN = f"[\\p{{L}}\\p{{M}}&&[^{HAN}{_BLANK}]]"
_PIECES = (
    f" ?{_RUN}+(?:['’]{_RUN}+)*| ?[{HAN}]+| ?[\\p{{N}}&&[^{HAN}]]{{1,3}}"
    f"| ?[^\\p{{L}}\\p{{M}}\\p{{N}}{HAN}{_BLANK}]+| ?[^{_BLANK}]| +|[\\t\\n\\r]+"
)

_LAST_WORD_CUT = re.compile(f"(?s:.*)[{_BLANK}\u3000{HAN}]")
_HAN = re.compile(f"[{HAN}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TIGHT_BEFORE = re.compile(r"[,.!?;:%)\]}>…'’”]")
_TIGHT_AFTER = re.compile(r".*[(\[{“‘<]$", re.DOTALL)
_WIDE = re.compile(f"[{HAN}\u3000-\u30ff\uff00-\uffef“”‘’…—]")


def clean(text: str) -> str:
    """`text` without lone surrogates, which no tokenizer can take."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def word_normalizer(lowercase: bool) -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()] if lowercase else [normalizers.NFC()])


def word_cutter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)


_CUTTER = word_cutter()


def piece_cutter() -> pre_tokenizers.PreTokenizer:
    pieces = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    return pre_tokenizers.Sequence([pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def piece_decoder() -> decoders.Decoder:
    return decoders.ByteLevel()


def cut(text: str, tokenization: str) -> tuple[list[str], list[tuple[int, int]]]:
    """The words of `text`, or its characters that are not blank, as they stand there, and where each begins and ends."""
    text = clean(text)
    if tokenization == "characters":
        found = [(character, (at, at + 1)) for at, character in enumerate(text) if not character.isspace()]
    else:
        found = _CUTTER.pre_tokenize_str(text)
    return [token for token, _ in found], [place for _, place in found]


def word_cut(text: str, start: int) -> int:
    """The last place at or after `start` where `text` may be parted for words, or 0: behind white space or Han."""
    found = _LAST_WORD_CUT.match(text, start)
    return found.end() if found else 0


def piece_cut(text: str, start: int) -> int:
    """The same for subwords: between kinds (blank, Han, other), where a piece must end, but not after a blank."""
    for at in range(len(text) - 1, max(start, 1) - 1, -1):
        left, right = _kind(text[at - 1]), _kind(text[at])
        if left != "blank" and left != right:
            return at
    return 0


def _kind(character: str) -> str:
    return "blank" if character in _BLANK else "han" if _HAN.match(character) else "other"


def join(words: list[str]) -> str:
    """Words as a person would write them: blanks between, but none inside Chinese or before closing punctuation."""
    text = ""
    for word in words:
        tight = not text or _TIGHT_BEFORE.match(word) or _TIGHT_AFTER.match(text[-1:])
        if not tight and _WIDE.match(word) and _WIDE.match(text[-1]):
            tight = True
        text += word if tight or _chinese_mark(word) or _chinese_mark(text[-1]) else " " + word
    return text


def han_share(texts: Iterable[str]) -> float:
    """The share of the characters of `texts` that are Chinese."""
    found = total = 0
    for text in texts:
        found, total = found + len(_HAN.findall(text)), total + len(text)
    return found / max(total, 1)


def _chinese_mark(word: str) -> bool:
    return word[0] in "，。！？；：、（）《》「」『』【】…—"
