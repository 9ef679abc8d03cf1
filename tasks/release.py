"""release: a version of the distributions that others can name, cite and fetch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions:
    """Options of the step ``release``.

    Attributes:
        licence: The terms under which the distributions may be used; stated in the card.
        push: Also send the content to the DVC remote (git push remains yours to do).
    """

    licence: str = "that of the corpus"
    push: bool = False


def release(*, data: Path, version: str, out: Path = Path("releases"), options: ReleaseOptions) -> Path:
    """Write a data card, commit it with dvc.lock, and tag that commit CORPUS-VERSION.

    A consumer then gets exactly this version with `dvc get --rev CORPUS-VERSION REPOSITORY data/CORPUS/distributions`.
    Run it in the project's root. Outputs that DVC knows to be stale are not released.

    Args:
        data: The corpus's folder, data/KEY.
        version: The version, such as v1 or v1.2.
        out: The folder of data cards, KEY-VERSION.md and .json.
        options: See ReleaseOptions.

    Returns:
        The data card.

    Raises:
        UserError: The version exists or is malformed, or the outputs are stale.
    """
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_path, write_json
    from ambivox.models.releases.versioning import Versions
    from ambivox.models.reporting.data_card import card, facts
    from ambivox.models.reporting.reading import Run

    if not data.is_dir():
        raise UserError(f"{data}: no such folder; expected data/<corpus> with the outputs of a run")
    versions = Versions(Path())
    key = data.name
    tag = versions.free_tag(key, version)
    versions.check_up_to_date(key)
    content = facts(Run(data), options.licence)
    if "distributions/human.parquet" not in content["files"]:
        raise UserError(f"{data}: no distributions here yet; run the pipeline first (ambivox run)")
    page = out / f"{tag}.md"
    with atomic_path(page) as temporary:
        temporary.write_text(card(key, version, content, versions.revision(tag)), encoding="utf-8")
    write_json(page.with_suffix(".json"), content | {"version": version, "name": key})
    if options.push:
        versions.push(key)
    versions.commit_and_tag(tag, [page, page.with_suffix(".json")])
    _logger.info(
        f"release: {tag} tagged, data card {page}"
        + ("" if options.push else "; send it with: dvc push && git push --follow-tags")
    )
    return page


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(release)
