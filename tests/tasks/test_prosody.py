"""Tones and rhymes: of characters, of the answers of couplets, and of poems."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_runs import language

from recurra import cells
from recurra.data.words import prosody
from recurra.decoding.beam_search import beam_search
from recurra.errors import SettingError
from recurra.models.encoder import TokenEmbedding
from recurra.models.seq2seq import Seq2SeqEncoder
from recurra.tasks.couplet.constraints import ConstrainedState, Constraints
from recurra.tasks.couplet.model import AlignedSeq2Seq, first_occurrences

# syllable and final, as pypinyin gives them
READINGS = {
    "天": ("tian1", "ian1"), "山": ("shan1", "an1"), "风": ("feng1", "eng1"), "红": ("hong2", "ong2"), "诗": ("shi1", "i1"),
    "地": ("di4", "i4"), "水": ("shui3", "uei3"), "雨": ("yu3", "v3"), "绿": ("lv4", "v4"), "日": ("ri4", "i4"),
    "海": ("hai3", "ai3"),
}  # fmt: skip
LEVEL, OBLIQUE = "天山风红诗", "地水雨绿日海"


@pytest.fixture(autouse=True)
def readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in for pypinyin with a few characters."""

    def pinyin(text: str, style: int, heteronym: bool, strict: bool, errors: str) -> list[list[str]]:
        return [[READINGS[text][style]]] if text in READINGS else []

    fake = SimpleNamespace(pinyin=pinyin, Style=SimpleNamespace(TONE3=0, FINALS_TONE3=1))
    monkeypatch.setitem(sys.modules, "pypinyin", fake)  # type: ignore[arg-type]
    prosody.reading.cache_clear()
    yield
    prosody.reading.cache_clear()


def test_tones_and_groups() -> None:
    assert [prosody.tone_class(c) for c in "天红雨日，a"] == ["level", "level", "oblique", "oblique", None, None]
    groups = {c: prosody.rhyme_group(c) for c in "天山风红诗日地雨绿海，"}
    assert groups["天"] == groups["山"] == "寒" and groups["风"] == groups["红"] == "庚"
    assert groups["诗"] == groups["日"] == "支" and groups["地"] == groups["雨"] == groups["绿"] == "齐"
    assert groups["，"] is None
    assert len(set(prosody.GROUPS.values()) | {"支"}) == 14


def test_the_library_knows_these_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pypinyin")
    prosody.reading.cache_clear()
    pytest.importorskip("pypinyin", reason="the extra `chinese` is not installed")
    for character, (_, final) in READINGS.items():
        found = prosody.reading(character)
        assert found is not None and f"{found[1]}{found[2]}" == final
    assert {c: prosody.rhyme_group(c) for c in "月元君翁儿女子中"} == dict(
        zip("月元君翁儿女子中", "皆寒文庚齐齐支庚", strict=True)
    )


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypinyin", None)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"pip install 'recurra\[chinese\]'"):
        prosody.tone_class("天")


# couplets -------------------------------------------------------------------------------------------------------------
TOKENS = ["<pad>", "<unknown>", "<end>", *LEVEL, *OBLIQUE, "，"]


def answers(texts: list[str], tones: str, rule: str = "punctuation") -> list[list[str]]:
    torch.manual_seed(0)
    embed = TokenEmbedding(len(TOKENS), 6, 0.0, pad=0, unknown=1)
    encoder = Seq2SeqEncoder(torch.nn.Identity(), 6, cells.get("gru"), hidden_size=4)
    net = AlignedSeq2Seq(embed, encoder, cells.get("gru"), hidden_size=8, start=2).eval()
    x = torch.tensor([[TOKENS.index(c) for c in text] for text in texts])
    constraints = Constraints(TOKENS, 3, rule, tones)
    with torch.no_grad():
        question = net.encode(x, torch.tensor([x.shape[1]] * len(texts)), first_occurrences(x))
        required = constraints.required_tones(texts, x.shape[1])
        state = ConstrainedState(net.start(question), constraints.fixed_tokens(texts, x), required)
        lengths = [x.shape[1]] * len(texts)
        found = beam_search(partial(constraints.step, net), state, lengths, start=2, end=2, beam_size=4)
    return [["".join(TOKENS[t] for t in one.tokens) for one in best] for best in found]


@pytest.mark.parametrize("rule", ["punctuation", "couplet"])
def test_every_answer_has_the_opposite_tones(rule: str) -> None:
    texts = ["天地风，水雨", "雨绿山，红海"]
    for tones, positions in (("all", [0, 1, 2, 4, 5]), ("even", [1, 2, 5])):  # 2 and 5 are the last of their parts
        for text, found in zip(texts, answers(texts, tones, rule), strict=True):
            assert found
            for answer in found:
                for n in positions:
                    assert prosody.tone_class(answer[n]) != prosody.tone_class(text[n]), (tones, answer)
    free = answers(texts, "none", rule)
    assert any(
        prosody.tone_class(a[n]) == prosody.tone_class(t[n])
        for t, f in zip(texts, free, strict=True)
        for a in f
        for n in range(6)
        if a[n] != "，"
    )


# poems ----------------------------------------------------------------------------------------------------------------
def write_poems(path: Path) -> Path:
    lines = ["天地山水，风雨红海。", "日绿诗山，地海天风。"]
    path.write_text("\n".join(lines * 30) + "\n", encoding="utf-8")
    return path


def test_a_poem_follows_its_pattern(tmp_path: Path) -> None:
    write_poems(tmp_path / "text.txt")
    run = language(tmp_path, tokenization="characters", steps=2)
    pattern = "平仄平，中仄韵。\n仄平仄，仄中韵。\n叶叶"
    rhymes = set()
    for seed in range(6):
        text = run.generate(pattern=pattern, seed=seed, temperature=2.0)
        assert len(text) == len(pattern)
        for symbol, character in zip(pattern, text, strict=True):
            if symbol in "平韵":
                assert character in LEVEL
            elif symbol in "仄叶":
                assert character in OBLIQUE
            elif symbol == "中":
                assert character in LEVEL + OBLIQUE
            else:
                assert character == symbol
        first, second = (text[n] for n, symbol in enumerate(pattern) if symbol == "韵")
        assert prosody.rhyme_group(first) == prosody.rhyme_group(second)
        assert prosody.rhyme_group(text[-1]) == prosody.rhyme_group(text[-2])
        rhymes.add(prosody.rhyme_group(first))
    assert len(rhymes) > 1
    for options, message in (
        ({"pattern": "，。"}, "pattern is '，。'; expected 平, 仄, 中, 韵 or 叶"),
        ({"pattern": "平！"}, "pattern, character 2: no character of this run satisfies '！'"),
        ({"pattern": "平", "length": 3}, "length = 3: the pattern determines the length, 1 characters"),
    ):
        with pytest.raises(SettingError, match=message):
            run.generate(**options)  # type: ignore[arg-type]


def test_a_pattern_needs_characters(tmp_path: Path) -> None:
    run = language(tmp_path, tokenization="words", steps=1)
    arguments: dict[str, Any] = {"pattern": "平仄"}
    with pytest.raises(SettingError, match="pattern requires a run with tokenization=characters; this one has words"):
        run.generate(**arguments)
