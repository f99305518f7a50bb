"""Telephone numbers as dial tones in wav files: each key is the sum of the tones of its row and its column (ITU-T Q.23)."""

from __future__ import annotations

import csv
import random
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE, COUNT = 8000, 400
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)  # hertz
KEYS = {key: (ROWS[at // 3], COLUMNS[at % 3]) for at, key in enumerate("123456789*0#") if key.isdigit()}


def write_folder(folder: Path, count: int = COUNT) -> None:
    """Write manifest.csv with the columns audio and text, and the audio files. The random numbers have a fixed seed."""
    draw = random.Random(0)
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["audio", "text"])
        for number in range(count):
            keys = draw.choices(sorted(KEYS), k=draw.randint(3, 8))
            name = f"{number:03}.wav"
            write_wav(folder / name, dial(keys, draw))
            table.writerow([name, " ".join(keys)])


def dial(keys: list[str], draw: random.Random) -> NDArray[np.int16]:
    """Return samples of the keys, each for 60 to 120 ms with pauses of 40 to 100 ms, with noise."""
    pieces = [_silence(draw)]
    for key in keys:
        seconds = np.arange(round(draw.uniform(0.06, 0.12) * RATE)) / RATE
        amplitude = draw.uniform(0.05, 0.3)
        pieces.append(
            amplitude
            * np.sum([np.sin(2 * np.pi * (frequency * seconds + draw.random())) for frequency in KEYS[key]], axis=0)
        )
        pieces.append(_silence(draw))
    samples = np.concatenate(pieces)
    noise = np.random.default_rng(draw.getrandbits(32)).normal(0, 0.01, len(samples))
    return np.round(32767 * np.clip(samples + noise, -1, 1)).astype("<i2")


def _silence(draw: random.Random) -> NDArray[np.float64]:
    return np.zeros(round(draw.uniform(0.04, 0.1) * RATE))


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = RATE) -> None:
    """Write samples as a wav file of 16 bits and one channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
