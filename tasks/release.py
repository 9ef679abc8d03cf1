"""release: a version of the distributions or of a trained model that others can name, cite and fetch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ambivox.models.counted import counted

if TYPE_CHECKING:
    from ambivox.models.publishing.model_folder import TrainedModel
    from ambivox.models.releases.versioning import Versions

_logger = logging.getLogger(__name__)
_CITATION = "a citation in BibTeX"


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions:
    """Options of the step ``release``.

    Attributes:
        licence: The terms under which the distributions or the weights may be used; stated in the card.
        push: Also send the content to the DVC remote (git push remains yours to do).
        push_to_hub: Also publish it on the model hub, as OWNER/NAME, with the token of HF_TOKEN (HF_ENDPOINT names
            another hub). A version that was released before can still be published.
        include: What is published with the distributions: votes; transcripts and audio, which need an open --licence;
            audformat, the same tables as a database of audformat.
        citation: A BibTeX file with how to cite the corpus, for the card on the hub.
        public: Whether a new repository on the hub is public; by default only its owner sees it.
        dry_run: Write what would be published to OUT and list it; commit, tag and send nothing.
    """

    licence: str = "that of the corpus"
    push: bool = False
    push_to_hub: str | None = None
    include: tuple[Literal["votes", "transcripts", "audio", "audformat"], ...] = ("votes",)
    citation: Path | None = None
    public: bool = False
    dry_run: bool = False


def release(*, data: Path, version: str, out: Path = Path("releases"), options: ReleaseOptions) -> Path:
    """Write a data card, commit it with dvc.lock, and tag that commit CORPUS-VERSION; publish it, if wanted.

    A consumer then gets exactly this version with `dvc get --rev CORPUS-VERSION REPOSITORY data/CORPUS/distributions`,
    or from the hub with `datasets.load_dataset` or `ambivox.load_distributions`. Run it in the project's root. Outputs
    that DVC knows to be stale are not released.

    Args:
        data: The corpus's folder, data/KEY; or a trained model, data/KEY/finetuned/NAME or data/KEY/alm.
        version: The version, such as v1 or v1.2.
        out: The folder of cards, KEY-VERSION.md and .json; KEY.html there shows the corpus through its releases, and
            KEY-VERSION/ is what is published on the hub.
        options: See ReleaseOptions.

    Returns:
        The card.

    Raises:
        UserError: The version exists or is malformed, the outputs are stale, or the hub refuses.
    """
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_path, write_json
    from ambivox.models.output_places import PAGE_MARK, check_folders_to_fill, check_output_file
    from ambivox.models.publishing.hub_metadata import check_may_include
    from ambivox.models.publishing.hub_upload import check_repository_name, require_token
    from ambivox.models.publishing.model_folder import find_model
    from ambivox.models.regular_files import read_text
    from ambivox.models.releases.released_card import released_before
    from ambivox.models.releases.versioning import Versions

    if not data.is_dir():
        raise UserError(f"{data}: no such folder; expected data/<corpus> with the outputs of a run")
    if options.push_to_hub is not None:
        check_repository_name(options.push_to_hub)
        if not options.dry_run:
            require_token(options.push_to_hub)
    check_folders_to_fill(out)
    if options.citation is not None:
        read_text(options.citation, _CITATION)
    model = find_model(data)
    key, corpus = (model.key, model.corpus) if model else (data.name, data.name)
    versions = Versions(Path())
    tag = versions.tag(key, version)
    page = out / f"{tag}.md"
    if options.push_to_hub is not None and versions.is_released(tag):
        now = _content(data, model, versions, tag, options) | {"version": version, "name": key}
        content = released_before(page.with_suffix(".json"), tag, now)
        check_may_include(options.include, content["licence"])
    else:
        versions.free_tag(key, version)
        versions.check_up_to_date(corpus)
        content = _content(data, model, versions, tag, options) | {"version": version, "name": key}
        check_may_include(options.include, content["licence"])
        check_output_file(page, ".md", f"{key} {version}")
        check_output_file(page.with_suffix(".json"), ".json", f'"version": "{version}"')
        check_output_file(out / f"{key}.html", ".html", PAGE_MARK)
        if not options.dry_run:
            with atomic_path(page) as temporary:
                temporary.write_text(_card(model, content), encoding="utf-8")
            write_json(page.with_suffix(".json"), content)
            written = [page, page.with_suffix(".json")]
            if model is None:
                written.append(_write_releases_page(out, key))
            if options.push:
                versions.push(corpus)
            versions.commit_and_tag(tag, written)
            _logger.info(
                f"release: {tag} tagged, data card {page}"
                + ("" if options.push else "; send it with: dvc push && git push --follow-tags")
            )
    if options.push_to_hub is not None:
        _publish(data, model, out / tag, content, options)
    elif options.dry_run:
        _logger.info(f"release: {tag} would be tagged, with the data card {page}")
    return page


def _content(
    data: Path, model: TrainedModel | None, versions: Versions, tag: str, options: ReleaseOptions
) -> dict[str, Any]:
    """What the card states, in the order in which the JSON file beside it has it."""
    import json

    from ambivox.models.errors import UserError
    from ambivox.models.publishing.model_folder import model_facts
    from ambivox.models.reporting.data_card import facts
    from ambivox.models.reporting.reading import Run

    revision = versions.revision(tag)
    commit = {"revision": revision, "date": versions.date(revision)}
    if model is not None:
        digests = {
            path.name: Run(data).digest(path.name) for path in sorted(data.iterdir()) if path.is_file()
        }
        content = model_facts(model, options.licence) | {"files": digests}
    else:
        content = facts(Run(data), options.licence)
        if "distributions/human.parquet" not in content["files"]:
            raise UserError(f"{data}: no distributions here yet; run the pipeline first (ambivox run)")
    ordered: dict[str, Any] = json.loads(json.dumps(content | commit, sort_keys=True))
    return ordered


def _write_releases_page(out: Path, key: str) -> Path:
    """Write the page that shows a corpus through its releases."""
    from ambivox.models.files import atomic_path
    from ambivox.models.reporting.releases_page import read_releases, releases_page

    page = out / f"{key}.html"
    with atomic_path(page) as temporary:
        temporary.write_text(releases_page(key, read_releases(out, key)), encoding="utf-8")
    return page


def _card(model: TrainedModel | None, content: dict[str, Any]) -> str:
    from ambivox.models.publishing.model_folder import model_card
    from ambivox.models.reporting.data_card import card

    if model is not None:
        return model_card(model, content["version"], content)
    return card(content["name"], content["version"], content, content["revision"])


def _publish(
    data: Path, model: TrainedModel | None, folder: Path, content: dict[str, Any], options: ReleaseOptions
) -> None:
    """Write the folder of the release and send it to the hub."""
    from ambivox.models.files import atomic_folder
    from ambivox.models.publishing.dataset_folder import Release, write_dataset
    from ambivox.models.publishing.hub_upload import files_to_publish, publish, repository_url
    from ambivox.models.publishing.model_folder import write_model
    from ambivox.models.regular_files import read_text
    from ambivox.models.reporting.reading import Run

    assert options.push_to_hub is not None
    kind: Literal["dataset", "model"] = "dataset" if model is None else "model"
    version = content["version"]
    with atomic_folder(folder, (data,)) as temporary:
        if model is not None:
            write_model(model, version, content, temporary)
        else:
            citation = read_text(options.citation, _CITATION) if options.citation else ""
            release_facts = Release(
                options.push_to_hub, content["name"], version, content["date"], content, citation
            )
            write_dataset(Run(data), release_facts, options.include, temporary)
    files = files_to_publish(folder)
    if options.dry_run:
        for name, path in files.items():
            _logger.info(f"  {name}: {path.stat().st_size:,} bytes")
        total = sum(path.stat().st_size for path in files.values())
        _logger.info(
            f"release: would publish these {counted(len(files), 'file')} ({total:,} bytes) of {folder} as {version} of the "
            f"{'public' if options.public else 'private'} {kind} {repository_url(options.push_to_hub, kind)}; sent nothing"
        )
        return
    published = publish(folder, options.push_to_hub, kind, version, public=options.public)
    state = "published" if published.is_new else "was published before, unchanged"
    _logger.info(f"release: {state}: {published.url} (commit {published.commit[:12]})")


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(release)
