"""import_annotations: answers of ALMs that were collected elsewhere become annotations that pool reads."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.counted import counted

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportAnnotationsOptions:
    """Options of the step ``import-annotations``.

    Attributes:
        alm: The name of the model, where the column is empty or there is none.
        revision: The version of the model, such as a date; "unknown" by default.
        utterance: The column with the utterance's id.
        model: The column with the name of the model.
        label: The column with the label.
        response: The column with the text that the model wrote.
    """

    alm: str = ""
    revision: str = ""
    utterance: str = "utterance_id"
    model: str = "model"
    label: str = "label"
    response: str = "response"


def import_annotations(
    *, source: Path, utterances: Path, out: Path, options: ImportAnnotationsOptions
) -> Path:
    """Read answers of ALMs from a table: a label, a probability or count per label, or the text that a model wrote.

    Writes a folder with annotations.parquet, which pool, validate and plan-labels take under --annotations or
    --more-annotations, rejects.parquet (answers with an unknown label, or about an unknown utterance) and checks.json.
    Every row is one answer: many rows about an utterance are many votes.

    Args:
        source: The table: CSV, TSV, JSONL or Parquet.
        utterances: utterances.parquet; its labels are the ones allowed.
        out: The folder to write.
        options: See ImportAnnotationsOptions.

    Returns:
        The folder.

    Raises:
        UserError: The table cannot be read, or no answer in it can be used.
    """
    from ambivox.models.annotation.answer_summary import summarise_answers
    from ambivox.models.annotation.imported_answers import IMPORTED, Columns, read_annotations
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.ingestion.rejected_rows import reasons_with_examples
    from ambivox.models.tables import Utterances

    inputs = (source, utterances)
    check_output_folder(out, inputs)
    columns = Columns(options.utterance, options.model, options.label, options.response)
    listed = Utterances.read(utterances)
    annotations, rejects, notes = read_annotations(
        source, listed, columns, alm=options.alm, revision=options.revision
    )
    reasons = reasons_with_examples(rejects, listed.labels)
    if not len(annotations):
        raise UserError(
            f"{source}: no answer can be used ({'; '.join([*reasons, *notes[1:]]) if reasons else 'the table is empty'})"
        )
    for note in notes:
        _logger.info(note)
    frame = annotations.frame
    checks = summarise_answers(annotations) | {
        "alm": ", ".join(frame["alm"].unique().sort()),
        "revision": frame["revision"][0],
        "engine": frame["engine"][0],
        "elicitation": IMPORTED,
        "utterances": frame["utterance_id"].n_unique(),
        "rejected": rejects.height,
        # The audio was not swapped, so nothing is known about it.
        "audio_sensitive": None,
    }
    with atomic_folder(out, inputs) as folder:
        annotations.write(folder / "annotations.parquet")
        rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
        write_json(folder / "checks.json", checks)
    for (alm,), rows in frame.group_by("alm", maintain_order=True):
        _logger.info(
            f"{alm}: {counted(rows.height, 'answer')} about {rows['utterance_id'].n_unique():,} of {counted(len(listed), 'utterance')}, "
            f"{counted(int(rows['refused'].sum()), 'refusal')}"
        )
    for reason in reasons:
        _logger.info(f"rejected: {reason}")
    _logger.info(f"import_annotations: {out}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(import_annotations)
