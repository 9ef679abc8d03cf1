"""For every command, words that are right in a project in which everything has run, and what its paths are."""

from __future__ import annotations

_INGEST = "data/demo/ingest"
_UTTERANCES = ("--utterances", f"{_INGEST}/utterances.parquet")
_VOTES = ("--votes", f"{_INGEST}/votes.parquet")
_HELDOUT = ("--heldout", f"{_INGEST}/heldout.parquet")
_ANSWERS = ("--annotations", "data/demo/annotations/annotations.parquet")
_POOLED = ("--distributions", "data/demo/distributions/pooled.parquet")
_FOLDER_OF_SOURCES = ("--distributions", "data/demo/distributions")
_ALM = ("--alm", "data/demo/alm")
_OUT = ("--out", "new")

RIGHT: dict[str, tuple[str, ...]] = {
    "doctor": (),
    "forget": ("--utterances", "people.txt"),
    "forget-corpus": ("--key", "demo"),
    "init": ("--folder", "new"),
    "run": ("--corpus", "table", "--root", "recordings"),
    "stage": ("--step", "pool", "--name", "pool@demo"),
    "table": ("--root", "recordings"),
    "ui": (),
    "upgrade": (),
    "annotate": (*_UTTERANCES, *_ALM, *_OUT, "--engine", "transformers"),
    "augment": (*_UTTERANCES, *_POOLED, *_OUT),
    "evaluate": (*_UTTERANCES, *_VOTES, *_HELDOUT, "--predictions", "data/demo/predictions", *_OUT),
    "export": (*_UTTERANCES, *_VOTES, *_OUT),
    "finetune": (*_UTTERANCES, *_POOLED, *_ALM, *_OUT, "--epochs", "1"),
    "import-annotations": ("--source", "answers.csv", *_UTTERANCES, *_OUT),
    "import-votes": ("--source", "export.json", *_UTTERANCES, *_OUT),
    "ingest": ("--corpus", "table", "--root", "recordings", *_OUT),
    "plan-labels": (*_UTTERANCES, *_VOTES, *_HELDOUT, *_ANSWERS, "--budget", "5", *_OUT),
    "pool": (*_UTTERANCES, *_VOTES, *_ANSWERS, *_OUT),
    "predict": (*_UTTERANCES, "--model", "data/demo/finetuned/human-on", "--out", "new.parquet"),
    "pretrain": (*_UTTERANCES, *_VOTES, *_OUT, "--epochs", "1"),
    "release": ("--data", "data/demo", "--version", "v1", *_OUT),
    "report": ("--data", "data/demo", "--out", "new.html"),
    "trial": (*_UTTERANCES, *_VOTES, *_HELDOUT, *_ANSWERS, *_OUT, "--draws", "1"),
    "validate": (*_UTTERANCES, *_VOTES, *_HELDOUT, *_ANSWERS, *_FOLDER_OF_SOURCES, *_OUT),
}
# Options that are written to; the others are read.
OUTPUTS = frozenset(
    ["--out", "--folder", "--store", "--cache", "--runs", "--tensorboard", "--merged", "--pseudonym-key"]
)
# Options of text that may be a path.
PATH_TEXTS = frozenset([("annotate", "--alm"), ("finetune", "--alm"), ("predict", "--alm"), ("annotate", "--more-alms"), ("annotate", "--store"), ("forget", "--store"), ("pretrain", "--tower"), ("ingest", "--schema")])  # fmt: skip
# What optional paths are where they are right.
OPTIONAL: dict[tuple[str, str], str] = {
    ("annotate", "--more-alms"): "data/demo/alm",
    ("annotate", "--persona-file"): "personas.toml",
    ("augment", "--alm"): "data/demo/alm",
    ("evaluate", "--annotations"): _ANSWERS[1],
    ("evaluate", "--distributions"): "data/demo/distributions",
    ("export", "--distributions"): _POOLED[1],
    ("export", "--ratings"): f"{_INGEST}/ratings.parquet",
    ("finetune", "--augmented"): "data/demo/augmented/pooled",
    ("import-votes", "--votes"): _VOTES[1],
    ("ingest", "--imported"): "imported_votes/demo.csv",
    ("ingest", "--schema"): "labels.toml",
    ("plan-labels", "--more-annotations"): _ANSWERS[1],
    ("pool", "--more-annotations"): _ANSWERS[1],
    ("predict", "--alm"): "data/demo/alm",
    ("pretrain", "--tower"): "data/demo/alm",
    ("release", "--citation"): "CITATION.cff",
    ("trial", "--more-annotations"): _ANSWERS[1],
    ("validate", "--more-annotations"): _ANSWERS[1],
    ("validate", "--truth"): f"{_INGEST}/truth.parquet",
}
