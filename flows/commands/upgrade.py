"""``ambivox upgrade``: a project of one's own, brought to the installed version of Ambivox."""

from __future__ import annotations

from pathlib import Path


def upgrade(*, project: Path = Path(), dry_run: bool = False, discard_edits: bool = False) -> None:
    """Bring a project that `ambivox init` made to the installed version. The options that you set stay.

    Shows what changes in dvc.yaml, params.yaml and software.yaml, and which stages run again.

    Args:
        project: The folder that holds dvc.yaml.
        dry_run: Show the changes and write nothing.
        discard_edits: Replace a dvc.yaml that was edited by hand, or a damaged software.yaml.
    """
    import logging

    from ambivox.flows.new_project import upgrade as bring_up_to_date

    logger = logging.getLogger(__name__)
    change = bring_up_to_date(project, dry_run=dry_run, discard_edits=discard_edits)
    if not change.diff:
        logger.info(f"nothing to change: the project runs with the installed Ambivox {change.after}")
        return
    logger.info(change.diff.rstrip("\n"))
    for note in change.notes:
        logger.info(f"params.yaml: {note}")
    again = (
        f"stages of {', '.join(change.steps)} run again" if change.steps else "the code of no stage differs"
    )
    logger.info(f"Ambivox {change.before} -> {change.after}: {again}")
    logger.info(
        "nothing was written (--dry-run)" if dry_run else "next: ambivox run, or dvc repro; then git commit"
    )
