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


def iemocap(root: Path) -> Path:
    """IEMOCAP: a scripted dialogue of two turns per session; three evaluators agree on each turn."""
    for session in range(1, 6):
        dialog = f"Ses0{session}M_script01_1"
        folder = root / f"Session{session}"
        blocks = []
        for second, (turn, label) in enumerate({"F000": "Sadness", "M000": "Neutral state"}.items()):
            raters = "".join(f"C-E{rater}:\t{label};\t()\n" for rater in (1, 2, 3))
            blocks.append(
                f"[{second}.0000 - {second}.9000]\t{dialog}_{turn}\txxx\t[2.5000, 2.5000, 2.5000]\n{raters}"
            )
            write_tone(
                folder / "sentences/wav" / dialog / f"{dialog}_{turn}.wav", 150 + 20 * session + 100 * second
            )
        for name, text in (
            (
                "EmoEvaluation",
                "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "\n".join(blocks),
            ),
            ("transcriptions", f"{dialog}_F000 [000.0000-000.9000]: Hello.\n"),
        ):
            (folder / "dialog" / name).mkdir(parents=True)
            (folder / "dialog" / name / f"{dialog}.txt").write_text(text)
    return root


def table(root: Path, speakers: int = 8) -> Path:
    """A user's own table: three clips per speaker, five votes per clip."""
    utterances, votes = ["utterance_id,audio,speaker"], ["utterance_id,annotator_id,label"]
    for speaker, clip in product(range(speakers), range(3)):
        name = f"s{speaker}_c{clip}"
        write_tone(root / "audio" / f"{name}.wav", 150 + 20 * speaker + clip)
        utterances.append(f"{name},audio/{name}.wav,s{speaker}")
        labels = [("happy", "sad", "neutral")[(clip + (rater == 4)) % 3] for rater in range(5)]
        votes += [f"{name},r{rater},{label}" for rater, label in enumerate(labels)]
    (root / "utterances.csv").write_text("\n".join(utterances) + "\n")
    (root / "votes.csv").write_text("\n".join(votes) + "\n")
    return root
