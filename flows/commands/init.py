"""``ambivox init``: a project of one's own, outside the checkout."""

from __future__ import annotations

from pathlib import Path


def init(folder: Path) -> None:
    """Make a project in a folder of your own: params.yaml, dvc.yaml, git and DVC set up, a README for your team.

    All commands work there as in a checkout. The installed software stays where it is and serves many projects.

    Args:
        folder: The folder; it may exist, and may be below a git repository.
    """
    import logging
    import shlex

    from ambivox.flows.new_project import make

    logger = logging.getLogger(__name__)
    logger.info(f"{folder}: {', '.join(make(folder))}")
    logger.info(f"next: cd {shlex.quote(str(folder))}, then: git add -A && git commit -m 'A new project'")
    logger.info(
        "      ambivox table PATH shows how your recordings would be read; ambivox run makes the demo"
    )
