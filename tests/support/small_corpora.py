"""Small folders in the layout of published corpora, with tones as recordings."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import soundfile

_EMOTIONS = ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]
_HEADER = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote","meanEmoResp"'


def write_tone(path: Path, hertz: float, seconds: float = 0.4) -> None:
    """Write a mono recording at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(int(16_000 * seconds)) / 16_000
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * hertz * times), 16_000)


def crema_d(root: Path, actors: int = 4, sentences: tuple[str, ...] = ("IEO", "DFA")) -> Path:
    """CREMA-D: ten voice-only votes per clip, most of them for the intended emotion."""
    lines, number = [_HEADER], 0
    for actor, sentence, emotion in product(range(1001, 1001 + actors), sentences, _EMOTIONS):
        name, number = f"{actor}_{sentence}_{emotion}_XX", number + 1
        index = _EMOTIONS.index(emotion)
        votes = [0] * len(_EMOTIONS)
        votes[index], votes[4] = votes[index] + 6, votes[4] + 4
        letter = "ADFHNS"[index]
        counts = ",".join(str(count) for count in votes)
        lines.append(f'"{100_000 + number}",{counts},"{name}",10,0.6,"{letter}",60')
        write_tone(root / "AudioWAV" / f"{name}.wav", 150 + 40 * index + actor % 7)
    votes_file = root / "processedResults" / "tabulatedVotes.csv"
    votes_file.parent.mkdir()
    votes_file.write_text("\n".join(lines) + "\n")
    people = [
        f'{actor},30,"{("Male", "Female")[actor % 2]}","Asian","Not Hispanic"'
        for actor in range(1001, 1001 + actors)
    ]
    (root / "VideoDemographics.csv").write_text(
        "\n".join(['"ActorID","Age","Sex","Race","Ethnicity"', *people]) + "\n"
    )
    return root
