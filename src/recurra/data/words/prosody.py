"""Tones and rhymes of Chinese characters, in modern Mandarin.

    level     tones 1 and 2 (平)        oblique   tones 3 and 4 (仄)
    rhyme     the fourteen groups of 中华新韵 (2005), published by the Chinese poetry society 中华诗词学会:
              麻 a ia ua · 波 o e uo · 皆 ie üe · 开 ai uai · 微 ei ui · 豪 ao iao · 尤 ou iu ·
              寒 an ian uan üan · 文 en in un ün · 唐 ang iang uang ·
              庚 eng ing ong iong · 齐 i er ü · 姑 u ·
              支 the i of zhi chi shi ri zi ci si

Classical rules (平水韵) use the four tones of Middle Chinese, in which characters with the entering tone are oblique; they are
not supported. A character has its first reading with a tone in pypinyin (MIT license, extra `chinese`).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from ...errors import SettingError

GROUPS = {
    **dict.fromkeys(("a", "ia", "ua"), "麻"),
    **dict.fromkeys(("o", "e", "uo"), "波"),
    **dict.fromkeys(("ie", "ve", "ê"), "皆"),
    **dict.fromkeys(("ai", "uai"), "开"),
    **dict.fromkeys(("ei", "uei"), "微"),
    **dict.fromkeys(("ao", "iao"), "豪"),
    **dict.fromkeys(("ou", "iou"), "尤"),
    **dict.fromkeys(("an", "ian", "uan", "van"), "寒"),
    **dict.fromkeys(("en", "in", "uen", "vn"), "文"),
    **dict.fromkeys(("ang", "iang", "uang"), "唐"),
    **dict.fromkeys(("eng", "ing", "ueng", "ong", "iong"), "庚"),
    **dict.fromkeys(("i", "er", "v"), "齐"),
    "u": "姑",
}
APICAL = ("zh", "ch", "sh", "r", "z", "c", "s")  # initials after which i is the group 支


@cache
def reading(character: str) -> tuple[str, str, int] | None:
    """Return the initial, if it is in `APICAL`, the final and the tone (1 to 4) of a character, or None where it has none.

    Raises SettingError if pypinyin is not installed.
    """
    try:
        library: Any = import_module("pypinyin")
    except ImportError:
        raise SettingError(
            "pypinyin, which knows tones and rhymes, is not installed; install it with pip install 'recurra[chinese]'"
        ) from None
    if len(character) != 1:
        return None

    def first(style: Any) -> str | None:
        readings = library.pinyin(character, style=style, heteronym=True, strict=True, errors="ignore")
        return next((one for one in readings[0] if one[-1:].isdigit()), None) if readings else None

    syllable, final = first(library.Style.TONE3), first(library.Style.FINALS_TONE3)
    if syllable is None or final is None:
        return None
    initial = next((one for one in APICAL if syllable.startswith(one)), "")
    return initial, final[:-1], int(final[-1])


def tone_class(character: str) -> str | None:
    """Return "level" or "oblique", or None for a character without a tone."""
    found = reading(character)
    return None if found is None else "level" if found[2] <= 2 else "oblique"


def rhyme_group(character: str) -> str | None:
    """Return the group of 中华新韵 to which a character belongs, or None."""
    found = reading(character)
    if found is None:
        return None
    initial, final, _ = found
    return "支" if final == "i" and initial else GROUPS.get(final)
