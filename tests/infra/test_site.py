"""The documentation site builds without network and without a warning, and reads well on a desktop and on a phone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ambivox
from ambivox.flows.cli import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `strict` in mkdocs.yml makes every warning, such as a link to nowhere, an error."""
    out = tmp_path_factory.mktemp("site") / "site"
    # A proxy that does not exist: whatever asked for the network would fail.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "mkdocs"), "build", "--site-dir", str(out)],
        cwd=ROOT,
        env=os.environ | nowhere | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def html_pages(site: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(site.rglob("*.html")):
        yield path.relative_to(site).as_posix(), path.read_text()


def test_every_page_of_the_repository_is_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text()
    linked = set(re.findall(r'href="(?:\./)?([\w/-]+)\.html"', start.partition("<main")[2]))
    pages = {
        path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")
    }
    pages = {page.replace("README", "index") for page in pages} - {"index"}
    examples = {f"examples/{path.stem}" for path in (ROOT / "examples").glob("*.ipynb")}
    assert len(examples) == 3
    assert (pages | examples | {"reference/commands"}) - linked == set()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=\"?((?:https?:)?//[^\"> ]+)")
    assert {(name, url) for name, html in html_pages(site) for url in loaded.findall(html)} == set()
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.findall(r"url\(\"?(?:https?:)?//", styles)


def test_the_references_hold_every_command_option_and_function(site: Path) -> None:
    commands = (site / "reference/commands.html").read_text()
    application = build()
    for name in application:
        if name.startswith("-"):
            continue
        assert f'id="ambivox-{name}"' in commands, name
        arguments = application[name].assemble_argument_collection(parse_docstring=False)
        for argument in arguments:
            flags = [flag for flag in argument.names if flag.startswith("--")]
            assert not flags or any(flag in commands for flag in flags), f"{name} {flags}"
    api = (site / "reference/api.html").read_text()
    for name in ambivox.__all__:
        assert re.search(rf'<h[23] id="ambivox\.models\.(api\.\w+|errors)\.{name}"', api), name
    assert "utterance_id" in api


def test_names_of_pages_became_links(site: Path) -> None:
    for name, html in html_pages(site):
        if name == "reference/api.html":  # docstrings name pages as code does
            continue
        text = re.sub(r"<(code|pre)\b.*?</\1>", "", html.partition("<article")[2], flags=re.DOTALL)
        assert not re.findall(r"\bdocs/[\w/-]+\.md", re.sub(r"<[^>]+>", "", text)), name


def test_a_notebook_is_a_page_with_its_results(site: Path) -> None:
    page = (site / "examples/pool_your_votes.html").read_text()
    assert "equivalent_votes" in page
    assert "call_000" in page


@pytest.mark.server
def test_pages_fit_a_phone_and_the_search_finds_words(site: Path, browser: Browser) -> None:
    pages = [
        path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html")) if path.name != "404.html"
    ]
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    problems: list[str] = []
    phone.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    for name in pages:
        phone.goto((site / name).as_uri())
        width = phone.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{name} is {width} pixels wide"
        assert phone.locator("article h1").count() == 1, name
        broken = "[...document.querySelectorAll('article img')].filter(i => !i.naturalWidth).map(i => i.src)"
        assert phone.evaluate(broken) == [], name
        assert (
            phone.evaluate("[...document.querySelectorAll('article img')].filter(i => !i.alt).length") == 0
        ), name
    # The search index is fetched, which browsers refuse for files on the disk.
    assert not [text for text in problems if "search" not in text and "CORS" not in text], problems


def test_make_docs_builds_what_the_tests_build() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(
        ["make", "--dry-run", "docs"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert "mkdocs build" in shown
