"""First and last names by language, from the person providers of faker."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from importlib import import_module
from typing import TextIO

MAX_NAMES = 800  # names per language, so that no language dominates
_LANGUAGES = {
    "Arabic": ("ar_AA", "ar_SA"), "Armenian": ("hy_AM",), "Bulgarian": ("bg_BG",), "Chinese": ("zh_CN",),
    "Croatian": ("hr_HR",), "Czech": ("cs_CZ",), "Danish": ("da_DK",), "Dutch": ("nl_NL",), "English": ("en_GB",),
    "Estonian": ("et_EE",), "Finnish": ("fi_FI",), "French": ("fr_FR",), "Georgian": ("ka_GE",), "German": ("de_DE",),
    "Greek": ("el_GR",), "Hebrew": ("he_IL",), "Hungarian": ("hu_HU",), "Italian": ("it_IT",), "Japanese": ("ja_JP",),
    "Korean": ("ko_KR",), "Latvian": ("lv_LV",), "Lithuanian": ("lt_LT",), "Norwegian": ("no_NO",),
    "Persian": ("fa_IR",), "Polish": ("pl_PL",), "Portuguese": ("pt_PT",), "Romanian": ("ro_RO",),
    "Russian": ("ru_RU",), "Slovak": ("sk_SK",), "Slovenian": ("sl_SI",), "Spanish": ("es_ES",),
    "Swedish": ("sv_SE",), "Tamil": ("ta_IN",), "Thai": ("th_TH",), "Turkish": ("tr_TR",), "Ukrainian": ("uk_UA",),
    "Vietnamese": ("vi_VN",),
}  # fmt: skip
_LISTS = ("first_names", "first_names_male", "first_names_female", "last_names", "last_names_male", "last_names_female")


def write(file: TextIO) -> None:
    """Write the columns text and label. A name that occurs in two languages is left out."""
    owners: dict[str, set[str]] = {}
    for language, locales in _LANGUAGES.items():
        for locale in locales:
            for name in _names(locale):
                owners.setdefault(name, set()).add(language)
    draw = random.Random(0)
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["text", "label"])
    for language in _LANGUAGES:
        own = sorted(name for name, languages in owners.items() if languages == {language})
        chosen = own if len(own) <= MAX_NAMES else sorted(draw.sample(own, MAX_NAMES))
        table.writerows((name, language) for name in chosen)


def _names(locale: str) -> Iterable[str]:
    provider = import_module(f"faker.providers.person.{locale}").Provider
    for attribute in _LISTS:
        for name in getattr(provider, attribute, ()):
            if isinstance(name, str) and name.strip():
                yield " ".join(name.split())
