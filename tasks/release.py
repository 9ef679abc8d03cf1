"""release: a version of the distributions that others can name, cite and fetch."""

from __future__ import annotations

from pathlib import Path


def release(
    *,
    data: Path,
    version: str,
    out: Path = Path("releases"),
    licence: str = "that of the corpus",
    push: bool = False,
) -> Path:
    """Write a data card, commit it with dvc.lock, and tag that commit <corpus>-<version>.

    A consumer then gets exactly this version with `dvc get --rev <corpus>-<version> REPOSITORY data/<corpus>/distributions`.
    Run it in the project's root; what DVC knows to be stale is not released.

    Args:
        data: The corpus's folder, data/<key>.
        version: The version, such as v1 or v1.2.
        out: The folder of data cards, <key>-<version>.md and .json.
        licence: Under what terms the distributions may be used; stated in the card.
        push: Also send the content to the DVC remote (git push remains yours to do).

    Raises:
        UserError: the version exists, is malformed, or the outputs are not what the pipeline would make now.
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
    found = facts(Run(data), licence)
    if "distributions/human.parquet" not in found["files"]:
        raise UserError(f"{data}: no distributions here yet; run the pipeline first (ambivox run)")
    page = out / f"{tag}.md"
    with atomic_path(page) as temporary:
        temporary.write_text(card(key, version, found, versions.revision()), encoding="utf-8")
    write_json(page.with_suffix(".json"), found | {"version": version, "name": key})
    if push:
        versions.push(key)
    versions.commit_and_tag(tag, [page, page.with_suffix(".json")])
    print(
        f"release: {tag} tagged, data card {page}"
        + ("" if push else "; send it with: dvc push && git push --follow-tags")
    )
    return page


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(release)
