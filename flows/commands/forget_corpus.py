"""``ambivox forget-corpus``: the opposite of entering a corpus by ``ambivox run``."""

from __future__ import annotations

from pathlib import Path

from ambivox.models.counted import counted


def forget_corpus(key: str, *, project: Path = Path()) -> None:
    """Take a corpus out of params.yaml, so that the pipeline no longer runs on it. Recordings and results stay.

    Args:
        key: The name of the corpus in params.yaml and data/.
        project: The folder that holds dvc.yaml.
    """
    import logging

    from ambivox.flows import prefect_settings
    from ambivox.flows.pipeline_files import check_pipeline_files
    from ambivox.flows.project import forget

    logger = logging.getLogger(__name__)
    prefect_settings.check_project(project)
    check_pipeline_files(project)
    forget(project, key)
    folder = project / "data" / key
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    size = sum(path.stat().st_size for path in files) / 1e6
    stays = (
        f"{folder} stays ({counted(len(files), 'file')}, {size:.1f} MB); delete it by hand"
        if files
        else "it had no results"
    )
    logger.info(f"{key} is no longer in params.yaml; {stays}")
