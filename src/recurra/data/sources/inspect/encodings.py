"""The encoding of a file: byte-order marks, valid UTF-8 and UTF-16; else the most plausible of the common legacy encodings.

A legacy encoding is plausible if the file can be decoded and the characters are those that texts in it consist of. Without
enough evidence the answer is UTF-8, and reading reports the first byte that is not: a wrong guess would change the text
silently. Detectors of general use (charset-normalizer) choose between some ninety encodings and are unreliable for short
files and for tables, which are mostly ASCII; therefore the few that occur are tested here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MIN_EVIDENCE = 3  # characters beyond ASCII from which a legacy encoding is recognized
MIN_PLAUSIBLE = 0.9
MIN_CONFIDENCE = 0.5  # below it, the encoding of the training file is used

# The most frequent characters of texts in an encoding, and the share of them that texts have at least.
FREQUENT = {
    "gb18030": (
        "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好"
        "都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长，。、？！：；“”《》（）",
        0.12,
    ),
    "big5": (
        "的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她裡後小麼心多天而能好"
        "都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長，。、？！：；「」《》（）",
        0.15,
    ),
    "shift_jis": ("のにはをたがでてとしれさあるいすもこなかっらりんきくうえ、。ーンスルトイクラリアタロシ", 0.3),
    "euc_jp": ("のにはをたがでてとしれさあるいすもこなかっらりんきくうえ、。ーンスルトイクラリアタロシ", 0.3),
    "euc_kr": ("이다는의가에을하고를지로한은도기사시서나정어자대인일해그리아수전부있", 0.25),
    "cp1251": ("оеаинтсрвлкмдпуяыьгзбчйхжОЕАИНТСРВЛКМДП", 0.8),
    "koi8_r": ("оеаинтсрвлкмдпуяыьгзбчйхжОЕАИНТСРВЛКМДП", 0.8),
}
SINGLE_BYTE = ("cp1251", "koi8_r")
MIN_IN_WORDS = 0.7  # share of the letters of such an alphabet that have another one beside them
_TYPOGRAPHIC = set("‘’“”–—…€£§«»¿¡°")
_HIGH = re.compile(rb"[\x80-\xff]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_FULL_WIDTH = 0xA3  # first byte of the characters of full width, in GB 2312, KS X 1001 and JIS X 0208
_LAST_OF_HANGUL = 0xC8  # first bytes of KS X 1001
MAX_ODD = 0.05  # share of the runs of bytes beyond ASCII that may be cut off, where characters have two bytes


@dataclass(frozen=True)
class Encoding:
    """An encoding, how certain it is (0 to 1), whether there is a byte-order mark, and what a user may try if it fails."""

    name: str
    confidence: float = 1.0
    bom: bool = False
    advice: str = ""


def detect_encoding(head: bytes, pieces: Sequence[bytes] = ()) -> Encoding:
    """Return the encoding of a file by samples of its bytes, of which `head` is the start."""
    for mark, name in BOMS:
        if head.startswith(mark):
            return Encoding(name, bom=True)
    samples = [head, *pieces]
    if any(b"\0" in sample for sample in samples):
        return _wide(head) or Encoding("utf-8", 0.0, advice="is this a text file?")
    high = b"".join(samples)
    if not _HIGH.search(high):
        return Encoding("utf-8")
    if all(_is_utf8(sample, first=at == 0) for at, sample in enumerate(samples)):
        return Encoding("utf-8")
    if _mostly_utf8(head):
        return Encoding("utf-8", 0.5, advice=_advice(head))
    return _legacy(samples)


def _is_utf8(sample: bytes, *, first: bool) -> bool:
    """Whether a sample is UTF-8 but for a character that is cut off at its ends."""
    if not first:
        continuation = next((at for at in range(3) if not 0x80 <= sample[at : at + 1].ljust(1)[0] < 0xC0), 3)
        sample = sample[continuation:]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(head: bytes) -> bool:
    """Whether most characters beyond ASCII are valid UTF-8 sequences, so that the others are damage."""
    text = head.decode("utf-8", "surrogateescape")
    wrong = sum("\udc80" <= character <= "\udcff" for character in text)
    right = sum(character > "\x7f" and not "\udc80" <= character <= "\udcff" for character in text)
    return right > wrong


def _wide(head: bytes) -> Encoding | None:
    """UTF-16 without a byte-order mark: every character of ASCII, at least the line ends, has a zero byte on one side."""
    for name, line_end in (("utf-16-le", b"\n\0"), ("utf-16-be", b"\0\n")):
        cut = head[: len(head) - len(head) % 2]
        try:
            text = codecs.getincrementaldecoder(name)().decode(cut)
        except UnicodeDecodeError:
            continue
        aligned = any(cut[at : at + 2] == line_end for at in range(0, min(len(cut), 1 << 16), 2))
        usual = sum(character.isprintable() or character in "\r\n\t" for character in text[:4096])
        if "\0" not in text and usual >= 0.98 * len(text[:4096]) and (aligned or _mostly_ascii(text)):
            return Encoding(name, 0.95)
    return None


def _mostly_ascii(text: str) -> bool:
    return sum(character.isascii() for character in text[:4096]) > 0.5 * len(text[:4096])


def _legacy(samples: Sequence[bytes]) -> Encoding:
    """The most plausible legacy encoding; UTF-8 with a low confidence where none is."""
    best = Encoding("utf-8", 0.0, advice=_advice(samples[0]))
    for name, (frequent, least) in FREQUENT.items():
        texts = [text for sample in samples if (text := _decoded(sample, name)) is not None]
        if len(texts) < len(samples):
            continue
        if name in SINGLE_BYTE and not all(map(_has_whole_words, texts)):
            continue
        beyond = [character for text in texts for character in text[:200_000] if not character.isascii()]
        share = sum(character in frequent for character in beyond) / max(len(beyond), 1)
        if len(beyond) >= MIN_EVIDENCE and share >= least:
            confidence = round(min(0.6 + share / least * 0.1, 0.99), 2)
            if confidence > best.confidence:
                best = Encoding(name, confidence)
    return best if best.confidence else _rare_chinese(samples) or _western(samples) or best


def _rare_chinese(samples: Sequence[bytes]) -> Encoding | None:
    """GB18030 for few Chinese characters, none of them frequent, such as labels: pairs of bytes of GB 2312.

    In a text with accents, hardly any two letters beyond ASCII stand beside each other. A text of Hangul in EUC-KR has only
    first bytes up to 0xC8; where Chinese characters have no others, nothing distinguishes the two. Characters of full width,
    such as the digit １, are the same in both.
    """
    runs = [run for sample in samples for run in _HIGH_RUN.findall(sample)]
    pairs = [run[at : at + 2] for run in runs for at in range(0, len(run) - 1, 2)]
    chinese = sum(pair[1] >= 0xA1 and (0xB0 <= pair[0] <= 0xD7 or pair[0] == _FULL_WIDTH) for pair in pairs)
    if sum(len(run) % 2 for run in runs) > MAX_ODD * len(runs) or chinese < max(
        MIN_EVIDENCE, MIN_PLAUSIBLE * len(pairs)
    ):
        return None
    first = {pair[0] for pair in pairs}
    return Encoding("gb18030", 0.7) if max(first) > _LAST_OF_HANGUL or first == {_FULL_WIDTH} else None


def _has_whole_words(text: str) -> bool:
    """Whether most characters beyond ASCII stand beside each other, as in an alphabet without Latin letters."""
    runs = re.findall("[^\x00-\x7f]+", text[:200_000])
    return sum(len(run) for run in runs if len(run) > 1) >= MIN_IN_WORDS * sum(map(len, runs))


def _decoded(sample: bytes, name: str) -> str | None:
    """A sample in an encoding, without the character that is cut off at its end; None if it is not in this encoding."""
    decoder = codecs.getincrementaldecoder(name)()
    begin = sample.find(b"\n") + 1 if len(sample) >= 1 << 16 else 0  # a piece may begin within a character
    try:
        return decoder.decode(sample[begin:])
    except UnicodeDecodeError:
        return None


def _western(samples: Sequence[bytes]) -> Encoding | None:
    """cp1252, of which latin-1 is a part for text: letters with accents within words, and typographic characters."""
    texts = [_decoded(sample, "cp1252") for sample in samples]
    if any(text is None for text in texts):
        return None
    text = "\n".join(text for text in texts if text)
    at = [match.start() for match in re.finditer("[^\x00-\x7f]", text)]
    plausible = sum(_plausible(text, i) for i in at)
    ascii_letters = sum(character.isascii() and character.isalpha() for character in text)
    if len(at) < MIN_EVIDENCE or plausible < MIN_PLAUSIBLE * len(at) or len(at) > 0.3 * ascii_letters:
        return None
    return Encoding("cp1252", round(0.9 * plausible / len(at), 2))


def _plausible(text: str, i: int) -> bool:
    character = text[i]
    if not character.isalpha():
        return character in _TYPOGRAPHIC
    around = text[max(i - 1, 0) : i] + text[i + 1 : i + 2]
    return any(other.isalpha() for other in around) or around.strip() == ""


def _advice(head: bytes) -> str:
    """Encodings that can decode the start of the file, for a message."""
    able = [name for name in ("gb18030", "cp1252", "latin-1") if _decoded(head, name) is not None]
    return " or ".join(f"encoding={name}" for name in able)
