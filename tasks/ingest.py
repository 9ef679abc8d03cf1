"""ingest: a corpus as it is on disk becomes checked tables, a profile, and a list of what could not be used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def ingest(
    *,
    corpus: str,
    root: Path,
    out: Path,
    options: dict[str, str] | None = None,
    schema: str = "full",
    shares: str | None = None,
    keep_votes: int | None = None,
    unknown_speakers: Literal["train", "alone"] = "train",
    seed: int = 0,
    cache: Path | None = None,
) -> Path:
    """Read a corpus: utterances, votes, splits, and a profile of it.

    Writes a folder with utterances.parquet, votes.parquet, heldout.parquet, rejects.parquet, truth.parquet
    (where the corpus knows it), profile.json, profile.md and profile.svg. What could not be used is in
    rejects.parquet, with file and line, and is counted on the screen.

    Args:
        corpus: Its key: the name of a file in models/corpora/ (demo, crema_d, iemocap, msp_podcast, table).
        root: The corpus's folder, in its official layout (for a table: the folder or file).
        out: The folder to write.
        options: Options of this corpus, such as --options.modality face; a wrong name lists the known ones.
        schema: The labels: full, four (anger, happiness, neutral, sadness), or a TOML or JSON file that maps
            them.
        shares: Of pretrain, train, development and test, like 0.6,0.15,0.05,0.2 (the default). Speakers
            reserved for pretrain train the small ALM and nothing else; with another ALM use 0,0.7,0.1,0.2.
            Official splits stay as they are; only a pretrain share given here is taken from the official
            train.
        keep_votes: Keep the votes of so many annotators an utterance, drawn by seed; the rest goes to
            heldout.parquet.
        unknown_speakers: Utterances of unknown speakers go to train, or each counts as a speaker of its own
            (alone).
        seed: Of the splits and of the votes kept.
        cache: The file that remembers probed audio; by default in the user's cache folder.

    Raises:
        UserError: the corpus is not as expected; the message says where.
    """
    from ambivox.models.corpora import load_corpus
    from ambivox.models.files import atomic_folder, write_json
    from ambivox.models.ingestion.checking import ingest as make
    from ambivox.models.ingestion.splits import parse_shares
    from ambivox.models.reporting.figures.profile import profile_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.reporting.profile_page import profile_markdown, profile_summary

    made = make(
        load_corpus(corpus, root, options),
        corpus,
        schema_name=schema,
        shares=None if shares is None else parse_shares(shares),
        seed=seed,
        keep_votes=keep_votes,
        unknown_speakers=unknown_speakers,
        cache=cache,
    )
    with atomic_folder(out) as folder:
        made.utterances.write(folder / "utterances.parquet")
        made.votes.write(folder / "votes.parquet")
        made.heldout.write(folder / "heldout.parquet")
        made.rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
        if made.truth is not None:
            made.truth.write(folder / "truth.parquet")
        write_json(folder / "profile.json", made.profile)
        (folder / "profile.md").write_text(profile_markdown(made.profile), encoding="utf-8")
        save(profile_figure(made.profile), folder / "profile.svg")
    print(profile_summary(made.profile))
    print(f"ingest: {out}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(ingest)
