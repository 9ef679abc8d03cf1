"""``ambivox table``: how a user's table would be read, and keeping that beside it."""

from __future__ import annotations

from pathlib import Path

from ambivox.models.counted import counted


def table(root: Path, *, write: bool = False, options: dict[str, str] | None = None) -> None:
    """Propose which columns of your tables hold what, and show three votes as they would be read.

    Args:
        root: The folder that holds the tables, or a table: CSV, TSV, JSONL, JSON, Parquet or a workbook.
        write: Keep the proposal beside the table, in ambivox-table.toml, where run and ingest find it.
        options: What you know better, such as --options.label mood; the names are those of docs/corpora.md.
    """
    import logging

    from ambivox.models.corpora import check_options
    from ambivox.models.corpora.table import load
    from ambivox.models.errors import UserError
    from ambivox.models.ingestion.mapping_file import mapping_path, write_mapping
    from ambivox.models.ingestion.table_preview import preview, write_recordings

    logger = logging.getLogger(__name__)
    given = check_options(load, options or {}, "table")
    shown = preview(root, given)
    for line in shown.lines:
        logger.info(line)
    if shown.missing:
        is_a_column = any("(option" in phrase for phrase in shown.missing)
        option = "; name it with --options.OPTION COLUMN" if is_a_column else ""
        raise UserError(f"{root}: {'; '.join(shown.missing)}{option}")
    if write and shown.doubts:
        raise UserError(f"{root}: nothing was kept, since this is not sure: {'; '.join(shown.doubts)}")
    if not write:
        logger.info(f"add --write to keep this in {mapping_path(root)}")
        return
    for folder, count in write_recordings(root, shown.settings).items():
        logger.info(f"{counted(count, 'recording')} of the table: {folder}")
    logger.info(
        f"kept in {write_mapping(root, shown.settings)}; next: ambivox run --corpus table --root {root}"
    )
