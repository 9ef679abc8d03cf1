"""The outputs of a small run, as the report and the data card read them, and a parser of HTML pages."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.files import write_json
from ambivox.models.reporting.figures.style import new_figure, save
from ambivox.models.tables import Annotations, Distributions, Utterances, Votes
from tests.support.wav_files import tone, write_wav

LABELS = ("angry", "happy", "neutral", "sad")
HOSTILE = "</script><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)> & {{ 7*7 }}"

#: The profile of a corpus, as profile.json holds it (keys sorted where order matters).
PROFILE = {
    "corpus": "a_corpus",
    "labels": ["sad", "<b>"],
    "utterances": 1200,
    "speakers": 3,
    "hours": 1.5,
    "votes": 3000,
    "votes_held_back": 600,
    "votes_per_utterance": {"2": 600, "3": 600},
    "label_prior": {"<b>": 0.25, "sad": 0.75},
    "entropy_bits": {"edges": [0.0, 0.5, 1.0], "utterances": [400, 800]},
    "fleiss_kappa": 0.3444,
    "krippendorff_alpha": None,
    "mean_entropy_bits": 1.0,
    "splits": {
        name: {"utterances": 300, "speakers": 1, "hours": 0.375, "votes": 750}
        for name in ("development", "pretrain", "test", "train")
    },
    "without": {"audio": 0, "votes": 0, "transcript": 1, "speaker": 2},
    "straddling": {"speakers": 0},
    "licence": "MIT",
    "dropped_votes": {"bored": 7},
    "rejects": {"no | audio": 2},
    "notes": ["synthetic\x1b[2J"],
}


def make_run(
    root: Path,
    utterances: int = 120,
    hostile: str | None = None,
    seed: int = 0,
    labels: tuple[str, ...] = LABELS,
    with_audio: bool = False,
) -> Path:
    """Write a small run under ``root`` in which pooled is best.

    It has four known distributions per utterance, votes drawn from them, and a noisy ALM. Audio is a tone per utterance.
    """
    rng = np.random.default_rng(seed)
    ids = [f"u{row:04d}" for row in range(utterances)]
    split = np.array(["pretrain", "train", "development", "test"])[np.arange(utterances) % 4]
    text = [hostile if hostile and row % 7 == 3 else f"sentence {row}" for row in range(utterances)]
    hashes = ["0" * 64] * utterances
    if with_audio:
        (root / "audio").mkdir(parents=True)
        for row, name in enumerate(ids):
            written = Path(write_wav(root / "audio" / f"{name}.wav", tone(1 + row % 3, hz=200 + 10 * row)))
            hashes[row] = hashlib.sha256(written.read_bytes()).hexdigest()
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "unit",
            "audio": [str(root / "audio" / f"{name}.wav") for name in ids],
            "audio_sha256": hashes,
            "duration_seconds": 1.0 + np.arange(utterances) % 3,
            "sample_rate_hz": 16000,
            "split": split,
            "transcript": text,
            "speaker": [f"s{row % 12:02d}" for row in range(utterances)],
        }
    )
    Utterances.check(frame, labels).write(root / "ingest/utterances.parquet")
    truth_NK = rng.dirichlet(np.full(4, 0.6), utterances)
    for name, count in (("votes", 3), ("heldout", 7)):
        drawn = [rng.choice(4, count, p=p) for p in truth_NK]
        rows = [
            (ids[n], f"r{a}", "human", labels[k], 1.0)
            for n, answers in enumerate(drawn)
            for a, k in enumerate(answers)
        ]
        columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
        Votes.check(pl.DataFrame(rows, columns, orient="row"), labels).write(root / f"ingest/{name}.parquet")
    pl.DataFrame({"file": ["a.wav"], "reason": [hostile or "not audio"]}).write_parquet(
        root / "ingest/rejects.parquet"
    )
    write_json(
        root / "ingest/profile.json",
        {
            "utterances": utterances,
            "fleiss_kappa": {"value": 0.31, "low": 0.28, "high": 0.34},
            "licence": hostile or "MIT",
            "audio_may_be_shared": with_audio,
        },
    )
    voting = frame.filter(pl.col("split") != "pretrain")["utterance_id"]
    guess_NK = 0.5 * truth_NK[frame["utterance_id"].is_in(voting.to_list()).to_numpy()] + 0.125
    Annotations.check(
        pl.DataFrame(
            {
                "utterance_id": voting,
                "alm": "tiny",
                "revision": "abc123",
                "elicitation": "exact",
                "persona": "plain",
                "option_order": "0123",
                "temperature": 0.0,
                "refused": False,
                "prompt_sha256": "f" * 64,
                "engine": "fake",
                "logprobs": np.log(guess_NK).tolist(),
                "label_mass": 0.97,
            }
        ),
        labels,
    ).write(root / "annotations/annotations.parquet")
    write_json(
        root / "annotations/checks.json", {"canary": {"js_other_clip": 0.21, "passed": True}, "refusals": 0}
    )
    for source in ("human", "synthetic", "combined", "pooled"):
        table = Distributions.of(voting, source, guess_NK, labels, 3.0, 0.0 if source == "human" else 2.5)
        table.write(root / f"distributions/{source}.parquet")
    write_json(
        root / "distributions/pooling.json",
        {
            "alms": {
                "tiny": {
                    "worth": {
                        "votes": 3,
                        "utterances": 90,
                        "speakers": 5,
                        "nll": {
                            "overall": {"value": 1.9, "text": "1.9 [1.2, 2.8]", "is_extrapolated": False},
                            "high": {
                                "value": None,
                                "text": "more than 8 [5.0, more than 8]",
                                "is_extrapolated": True,
                            },
                        },
                        "squared_error": {"overall": {"value": 1.1, "text": "1.1 [0.6, 1.7]"}},
                    },
                    "equivalent_votes": {"value": 2.47, "low": 2.1, "high": 2.9},
                    "equivalent_votes_by_ambiguity": {"low": 1.5, "high": 3.1},
                }
            }
        },
    )
    figure, (axes,) = new_figure()
    axes.plot([1, 2, 3])
    save(figure, root / "validation/tertiles.svg")
    write_json(
        root / "validation/metrics.json",
        {
            "human": {"js": {"value": 0.228, "low": 0.219, "high": 0.236}, "bc": 0.80, "accuracy": 0.61},
            "synthetic": {"js": {"value": 0.222, "low": 0.214, "high": 0.231}, "bc": 0.81, "accuracy": 0.66},
            "combined": {"js": {"value": 0.205, "low": 0.197, "high": 0.214}, "bc": 0.83, "accuracy": 0.68},
            "pooled": {"js": {"value": 0.160, "low": 0.152, "high": 0.169}, "bc": 0.87, "accuracy": 0.72},
            "ceiling": {"js": {"value": 0.118, "low": 0.112, "high": 0.123}, "bc": 0.91, "accuracy": 0.78},
            "prior": {"js": {"value": 0.317, "low": 0.310, "high": 0.324}, "bc": 0.71, "accuracy": 0.40},
        },
    )
    levels = {
        "human": {"js": 0.3, "low": 0.28, "high": 0.32},
        "pooled": {"js": 0.2, "low": 0.19, "high": 0.21},
    }
    write_json(
        root / "validation/details.json",
        {
            "paired_tests": [
                {
                    "first": "pooled",
                    "second": "human",
                    "difference": -0.07,
                    "low": -0.08,
                    "high": -0.06,
                    "p_holm": 0.0007,
                }
            ],
            "tertiles": {"paper": {"low": levels, "high": levels}},
            "per_group": {"sex": {"female": levels}},
        },
    )
    write_json(
        root / "evaluation/metrics.json",
        {
            "human-on": {"js": 0.24, "js_low": 0.23, "js_high": 0.25, "bc": 0.79, "accuracy": 0.6},
            "pooled-on": {"js": {"value": 0.21, "low": 0.20, "high": 0.22}, "bc": 0.82, "accuracy": 0.63},
        },
    )
    return root


class Page(HTMLParser):
    """The tags, attributes and text of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))
