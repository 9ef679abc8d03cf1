"""IEMOCAP: improvised and scripted dialogues of five pairs of actors, cut into turns and rated by several evaluators.

From: sail.usc.edu/iemocap, on request (Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan:
    IEMOCAP: Interactive emotional dyadic motion capture database. Language Resources and Evaluation 42,
    2008).
Licence: for research, not to be redistributed (the release form of the University of Southern California).

The external evaluators (C-E1, ...) are the annotators; the actors' self-reports (C-F1, C-M1) are read by option. An
evaluator may give several labels to a turn: they share that evaluator's vote. The last part of a turn's name gives
its speaker: the man of session 1 speaks Ses01F_impro05_M003.
Known defects: transcriptions with Latin-1 characters and with lines that are not turns. Files that are not the official
ones are not read: hidden ``._`` files from the archive, and copies such as ``Ses01F_impro02 (1).txt``, which are
counted.

Arousal (``act``), valence and dominance are rated from 1 to 5: the evaluators' ratings (A-E1, ...) are read, the actors'
(A-F1, A-M1) with the self-reports, and the mean that the turn's first line gives (valence, activation, dominance).

A block of rows in Session1/dialog/EmoEvaluation/Ses01F_impro05.txt (tabs between fields):

    [140.2250 - 145.6000]	Ses01F_impro05_F019	ang	[1.5000, 4.0000, 4.5000]
    C-E1:	Anger;	()
    C-E3:	Anger; Frustration;	()
    C-F1:	Anger;	()
    A-E3:	val 2; act 4; dom  4;	()
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData, require_layout
from ambivox.models.ingestion.layout import find_entry, require_entry
from ambivox.models.ingestion.reading import read_text
from ambivox.models.ingestion.unlisted_recordings import unlisted_note
from ambivox.models.tables import DIMENSIONS, Ratings
from ambivox.models.tables.rejects import REJECTS

LABELS = {
    "Anger": "anger",
    "Happiness": "happiness",
    "Excited": "excitement",
    "Sadness": "sadness",
    "Neutral": "neutral",
    "Neutral state": "neutral",  # the spelling of the evaluators' form
    "Frustration": "frustration",
    "Fear": "fear",
    "Surprise": "surprise",
    "Disgust": "disgust",
    "Other": "other",
}
DIALOGS = {"all": "", "improvised": "_impro", "scripted": "_script"}
_TURN = r"(?P<turn>(?P<session>Ses0[1-5])[FM]_\w+_(?P<sex>[FM])\d{3})"
_DIALOG_FILE = re.compile(r"Ses0[1-5][FM]_(impro\d{2}|script\d{2}_\d)[a-z]?\.txt")
# Blanks, because some editors and converters replace or remove tabs.
_HEADER = re.compile(rf"\[\s*\d+\.\d+\s*-\s*\d+\.\d+\s*\]\s*{_TURN}\s*\w+\s*\[(?P<means>.*)\]")
_EVALUATION = re.compile(r"C-(?P<evaluator>[EFM]\d+):\s*(?P<labels>([^;()\s][^;()\t]*;\s*)+)\(.*")
_RATING = re.compile(r"A-(?P<evaluator>[EFM]\d+):(?P<ratings>.*)")
# "val 2; act 4; dom  4;": an evaluator may have left one out.
_DIMENSION = re.compile(r"\b(val|act|dom)\s*(\d+(?:\.\d+)?)\s*;")
_DIMENSIONS = {"act": "arousal", "val": "valence", "dom": "dominance"}
_SCALE = (1.0, 5.0)
_TRANSCRIPT = re.compile(rf"{_TURN}\s*\[[\d.]+\s*-\s*[\d.]+\]:\s*(?P<transcript>.*)")


def load(
    root: Path,
    *,
    self_reports: bool = False,
    merge_excited: bool = False,
    dialogs: Literal["all", "improvised", "scripted"] = "all",
    test_session: int | None = None,
) -> CorpusData:
    """Read IEMOCAP.

    Args:
        root: IEMOCAP_full_release, with Session1 to Session5.
        self_reports: Read the actors' self-reports as votes too.
        merge_excited: Count excitement as happiness.
        dialogs: Which dialogues to read.
        test_session: The session (1 to 5) that becomes the test split; the others are split between pretrain, train
            and development. Five runs with 1 to 5 make the usual leave-one-session-out evaluation.

    Returns:
        The turns and the evaluators' votes.

    Raises:
        UserError: The layout is not as described above, or there is no such session.
    """
    found = {number: find_entry(root, [f"Session{number}"]) for number in range(1, 6)}
    sessions = {number: folder for number, folder in found.items() if folder is not None and folder.is_dir()}
    if not sessions:
        require_layout(root, ["Session1"], "IEMOCAP")
    if test_session is not None and test_session not in sessions:
        raise UserError(
            f"option test_session: there is no session {test_session} in {root}, only {list(sessions)}"
        )
    reader = _Reader(self_reports=self_reports)
    for number, session in sessions.items():
        evaluations, transcriptions = (
            require_entry(session, f"IEMOCAP's session {number}", ["dialog"], [folder])
            for folder in ("EmoEvaluation", "transcriptions")
        )
        wavs = find_entry(session, ["sentences"], ["wav"]) or session / "sentences" / "wav"
        for path in reader.official_files(evaluations):
            if DIALOGS[dialogs] in path.stem:
                reader.read_evaluation(path, wavs / path.stem)
        reader.folders += [
            str(path)
            for path in sorted(wavs.glob("Ses0*"))
            if path.is_dir() and DIALOGS[dialogs] in path.name
        ]
        for path in reader.official_files(transcriptions):
            reader.read_transcription(path)
    missing = [f"Session{number}" for number in range(1, 6) if number not in sessions]
    notes = [f"{', '.join(missing)} not found in {root}; the other sessions are read"] if missing else []
    return reader.corpus_data(merge_excited=merge_excited, test_session=test_session, notes=notes)


class _Reader:
    """Collects what is read: 151 dialogues of about 70 turns, few enough for plain lists."""

    def __init__(self, *, self_reports: bool) -> None:
        self.annotator_kinds = "EFM" if self_reports else "E"
        self.utterances: dict[str, tuple[str, str, str, str, str]] = {}
        self.votes: list[tuple[str, str, str, str, int]] = []
        self.ratings: list[tuple[str, str | None, float | None, float | None, float | None, str, int]] = []
        self.rejects: list[tuple[str, int, str | None, str, str]] = []
        self.transcripts: dict[str, str] = {}
        self.not_utf8 = 0
        self.unread: list[str] = []
        self.folders: list[str] = []  # of recordings
        self.cut: list[str] = []

    def official_files(self, folder: Path) -> list[Path]:
        """List a folder's files of dialogues, in order; text files with other names are counted."""
        texts = sorted(path for path in folder.glob("[!.]*.txt") if path.is_file())
        official = [path for path in texts if _DIALOG_FILE.fullmatch(path.name)]
        self.unread += [path.name.encode(errors="replace").decode() for path in texts if path not in official]
        return official

    def read_evaluation(self, path: Path, audio: Path) -> None:
        """Read the votes of one dialogue; ``audio`` is the folder with its turns."""
        turn: str | None = None
        last, rated = None, set[str]()
        for number, line in enumerate(self._lines(path), 1):
            if not line or line.startswith("%"):
                turn = None
            elif header := _HEADER.fullmatch(line):
                turn = last = self._add_turn(header, path, number, audio)
            elif evaluation := _EVALUATION.fullmatch(line):
                self._add_votes(evaluation, turn, path, number)
            elif rating := _RATING.fullmatch(line):
                rated |= {turn} if turn else set()
                self._add_rating(rating, turn, path, number)
            else:
                self.rejects.append((str(path), number, turn, "unreadable line", line))
                # The votes below an unreadable header must not go to the turn above it.
                turn = turn if line.startswith(("C-", "A-")) else None
        # Ratings stand behind the labels of every turn. A file that ends before them lost votes, perhaps turns.
        if rated and last is not None and last not in rated:
            self.cut.append(str(path))

    def read_transcription(self, path: Path) -> None:
        """Read the transcripts of one dialogue; lines of another form are not turns."""
        for line in self._lines(path):
            if match := _TRANSCRIPT.fullmatch(line):
                self.transcripts[match["turn"]] = match["transcript"].strip()

    def corpus_data(self, *, merge_excited: bool, test_session: int | None, notes: list[str]) -> CorpusData:
        """Return everything that was read, as tables."""
        columns = ["utterance_id", "audio", "speaker", "sex", "file", "line"]
        utterances = pl.DataFrame(
            [(turn, *rest) for turn, rest in self.utterances.items()],
            dict.fromkeys(columns, pl.String),
            orient="row",
        )
        session = pl.col("speaker").str.slice(4, 1).cast(pl.Int64)
        utterances = utterances.with_columns(
            pl.col("line").cast(pl.Int64),
            transcript=pl.col("utterance_id").replace_strict(
                self.transcripts, default=None, return_dtype=pl.String
            ),
            language=pl.lit("en"),
            split=pl.when(session == test_session).then(pl.lit("test"))
            if test_session
            else pl.lit(None, pl.String),
        )
        votes = pl.DataFrame(
            self.votes,
            {
                "utterance_id": pl.String,
                "annotator_id": pl.String,
                "label": pl.String,
                "file": pl.String,
                "line": pl.Int64,
            },
            orient="row",
        )
        rated: dict[str, Any] = (
            {"utterance_id": pl.String} | Ratings.optional | {"file": pl.String, "line": pl.Int64}
        )
        ratings = pl.DataFrame(self.ratings, rated, orient="row")
        merged_label = "excitement" if merge_excited else None
        if merge_excited:
            votes = votes.with_columns(pl.col("label").replace("excitement", "happiness"))
            # An evaluator who gave both labels gave happiness once.
            votes = votes.unique(["utterance_id", "annotator_id", "label"], keep="first", maintain_order=True)
        if self.unread:
            notes = [
                *notes,
                f"{counted(len(self.unread), 'file is', 'files are')} not read, as no official one, such as {self.unread[0]}",
            ]
        if self.cut:
            notes = [
                *notes,
                f"{counted(len(self.cut), 'file of evaluations ends', 'files of evaluations end')} within a turn, and votes may be "
                f"lost: {self.cut[0]}; get it again",
            ]
        listed = (audio for audio, *_ in self.utterances.values())
        notes = [*notes, *unlisted_note(listed, "EmoEvaluation", self.folders)]
        if self.not_utf8:
            notes = [*notes, f"{counted(self.not_utf8, 'file')} read as Windows-1252, as not UTF-8"]
        return CorpusData(
            labels=tuple(label for label in dict.fromkeys(LABELS.values()) if label != merged_label),
            utterances=utterances,
            votes=votes,
            licence="for research only, not to be passed on (University of Southern California)",
            rejects=pl.DataFrame(self.rejects, REJECTS, orient="row"),
            ratings=ratings.with_columns(lowest=pl.lit(_SCALE[0]), highest=pl.lit(_SCALE[1])),
            notes=tuple(notes),
        )

    def _lines(self, path: Path) -> list[str]:
        text, is_utf8 = read_text(path)
        self.not_utf8 += not is_utf8
        return [line.strip() for line in text.split("\n")]

    def _add_turn(self, header: re.Match[str], path: Path, number: int, audio: Path) -> str | None:
        turn, speaker = header["turn"], f"{header['session']}_{header['sex']}"
        if turn in self.utterances:
            self.rejects.append((str(path), number, turn, "duplicate utterance", "the first one is kept"))
            return None
        sex = "female" if header["sex"] == "F" else "male"
        self.utterances[turn] = (str(audio / f"{turn}.wav"), speaker, sex, str(path), str(number))
        means = [_number(part) for part in header["means"].split(",")]
        if len(means) == len(DIMENSIONS) and any(mean is not None for mean in means):
            valence, arousal, dominance = means
            self.ratings.append((turn, None, arousal, valence, dominance, str(path), number))
        return turn

    def _add_rating(self, rating: re.Match[str], turn: str | None, path: Path, number: int) -> None:
        """Add the dimensions of one evaluator; those of an evaluator who left all out are no ratings."""
        given = {_DIMENSIONS[name]: float(value) for name, value in _DIMENSION.findall(rating["ratings"])}
        if turn is None or not given or rating["evaluator"][0] not in self.annotator_kinds:
            return
        annotator = self._annotator(rating["evaluator"], turn)
        arousal, valence, dominance = (given.get(name) for name in DIMENSIONS)
        self.ratings.append((turn, annotator, arousal, valence, dominance, str(path), number))

    @staticmethod
    def _annotator(evaluator: str, turn: str) -> str:
        """Evaluators have the same number in all sessions; actors are numbered per session."""
        return evaluator if evaluator[0] == "E" else f"{turn[:5]}_{evaluator}"

    def _add_votes(self, evaluation: re.Match[str], turn: str | None, path: Path, number: int) -> None:
        evaluator = evaluation["evaluator"]
        if evaluator[0] not in self.annotator_kinds:
            return
        if turn is None:
            self.rejects.append((str(path), number, None, "vote outside a turn", evaluation[0]))
            return
        annotator = self._annotator(evaluator, turn)
        for name in evaluation["labels"].split(";"):
            if label := name.strip():
                self.votes.append((turn, annotator, LABELS.get(label, label), str(path), number))


def _number(text: str) -> float | None:
    """A number in a turn's first line; None where there is none."""
    try:
        return float(text)
    except ValueError:
        return None
