"""``ambivox forget``: a person, or single utterances, are removed from a project and stay out of it."""

from __future__ import annotations

from pathlib import Path


def forget(
    *,
    speaker: tuple[str, ...] = (),
    utterances: Path | None = None,
    corpus: tuple[str, ...] = (),
    store: tuple[str, ...] = (".ambivox/store",),
    delete_recordings: bool = False,
    project: Path = Path(),
) -> None:
    """Remove people from a project: recordings that it made, votes, answers, distributions, predictions, caches.

    The next `ambivox run` makes everything again without them. What was fitted with them is not used until then. What
    DVC, git, buckets and providers still hold is listed with the commands that purge it. End all runs of the project
    first.

    Args:
        speaker: Names of speakers, as the corpus has them, or their pseudonyms.
        utterances: A text file with one utterance id per line, instead of or beside speakers.
        corpus: Names of corpora in params.yaml; all, if none is given.
        store: Vote stores to remove answers from: folders, or s3://bucket/prefix.
        delete_recordings: Also delete your own recordings of these utterances, outside the project's data/.
        project: The folder that holds dvc.yaml.
    """
    from ambivox.flows import prefect_settings
    from ambivox.flows.forgetting import Request, forget_people
    from ambivox.flows.pipeline_files import check_pipeline_files
    from ambivox.models.errors import UserError
    from ambivox.models.regular_files import read_text

    prefect_settings.check_project(project)
    check_pipeline_files(project)
    if not speaker and utterances is None:
        raise UserError("nobody is named; expected --speaker ID or --utterances FILE")
    ids: tuple[str, ...] = ()
    if utterances is not None:
        lines = read_text(utterances, "one utterance id per line").splitlines()
        ids = tuple(line.strip() for line in lines if line.strip())
    forget_people(project, Request(speaker, ids, corpus, store, delete_recordings))
