"""The report as a person meets it, in Chromium: it opens offline, plays, sorts, prints, and runs no script of the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ambivox.models.files import write_json
from ambivox.models.reporting.data_card import facts
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.releases_page import read_releases, releases_page
from tests.support.report_run import make_run
from tests.support.steps import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ATTACK = (
    "</script><script>window.attacked=1</script><img src=x onerror=window.attacked=1>"
    "<svg onload=window.attacked=1>&lt;img src=x onerror=window.attacked=1&gt;<!--"
)
LABELS = ("angry", ATTACK, "neutral", "sad")

pytestmark = [pytest.mark.server]


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a corpus whose transcripts, labels and licence attack the page."""
    root = make_run(tmp_path_factory.mktemp("run") / "unit", 160, ATTACK, labels=LABELS, with_audio=True)
    return report(data=root, out=root.parent / "report.html", examples=2)


@pytest.fixture
def opened(html: Path, browser: Browser) -> Iterator[Page]:
    """The report in a window; afterwards, nothing was asked of the network and no script of the data has run."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(html.as_uri())
    yield page
    assert page.evaluate("window.attacked") is None
    assert messages == []
    assert {request.partition(":")[0] for request in requests} <= {"file", "data"}
    assert sum(request.startswith("file:") for request in requests) == 1
    page.close()


def shown(page: Page) -> list[str]:
    """The utterances of the table's page, in order."""
    return page.locator("#utterance-table tbody td:first-child").all_inner_texts()


def test_clips_play(opened: Page) -> None:
    players = opened.locator("audio")
    assert players.count() == 8
    heard = opened.evaluate(
        """async () => {
            const found = [];
            for (const audio of document.querySelectorAll("audio")) {
                audio.muted = true;
                const hasMoved = new Promise(done => { audio.ontimeupdate = () => audio.currentTime > 0 && done(); });
                await audio.play();
                await hasMoved;
                audio.pause();
                found.push([audio.duration, audio.currentTime, audio.error]);
            }
            return found;
        }"""
    )
    assert all(0.9 < duration < 3.1 and position > 0 and error is None for duration, position, error in heard)


def sorted_by(page: Page, order: str) -> None:
    """Return once the table is sorted; it is after the browser has handled the click."""
    page.locator(f"#utterance-table th[aria-sort={order}]").wait_for(timeout=5000)


def test_the_table_sorts_searches_and_filters(opened: Page) -> None:
    assert len(shown(opened)) == 20
    ambiguity = opened.get_by_role("columnheader", name="ambiguity")
    column = 9
    values = f"#utterance-table tbody td:nth-child({column})"
    ambiguity.get_by_role("button").click()
    sorted_by(opened, "descending")
    falling = [float(text) for text in opened.locator(values).all_inner_texts()]
    assert falling == sorted(falling, reverse=True) and ambiguity.get_attribute("aria-sort") == "descending"
    ambiguity.get_by_role("button").press("Enter")
    sorted_by(opened, "ascending")
    rising = [float(text) for text in opened.locator(values).all_inner_texts()]
    assert rising == sorted(rising) and rising[0] < falling[-1]
    filters = opened.locator("#utterance-filters")
    filters.get_by_label("Search").fill("u0017")
    assert shown(opened) == ["u0017"]
    filters.get_by_label("Search").fill("onerror")
    assert len(shown(opened)) > 1  # what attacks is found as text
    filters.get_by_label("Search").fill("")
    filters.get_by_label("Split").select_option(label="test")
    assert "1 to 20 of 40 (of 120 in all)" in opened.locator(".dt-info").inner_text()
    filters.get_by_label("Emotion").select_option(label=ATTACK)
    emotions = opened.locator("#utterance-table tbody td:nth-child(7)").all_inner_texts()
    assert emotions and set(emotions) == {ATTACK}
    filters.get_by_label("Emotion").select_option(label="all")
    filters.get_by_label("Split").select_option(label="all")
    filters.get_by_label("With audio").check()
    opened.locator("#utterance-table tbody a").first.click()
    target = opened.locator("article:target")
    assert target.locator("audio").count() == 1


def test_no_script_but_its_own_may_run(html: Path, browser: Browser) -> None:
    """Even if text became markup, the policy would stop it."""
    page = browser.new_page()
    page.goto(html.as_uri())
    page.evaluate(
        """() => {
            const holder = document.createElement("div");
            holder.innerHTML = '<img src="data:image/png;base64,AA" onerror="window.injected=1">';
            document.body.append(holder);
            const script = document.createElement("script");
            script.textContent = "window.injected=1";
            document.body.append(script);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.injected") is None
    page.close()


def check_accessibility(page: Page) -> None:
    """No serious fault by axe-core."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    faults = [
        (fault["id"], fault["impact"], fault["nodes"][0]["html"][:200])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert faults == []
    assert len(found["passes"]) > 10


@pytest.mark.parametrize("width", [390, 1280])
def test_it_has_no_serious_fault_of_accessibility(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    for details in opened.locator("details").all():
        details.evaluate("element => element.open = true")
    check_accessibility(opened)


def test_the_page_of_releases_is_for_everyone_too(html: Path, browser: Browser) -> None:
    folder = html.parent / "releases"
    for version in ("v1", "v2"):
        content = facts(Run(html.parent / "unit"), ATTACK) | {
            "name": "unit",
            "version": version,
            "date": ATTACK,
        }
        write_json(folder / f"unit-{version}.json", content)
    (folder / "unit.html").write_text(releases_page("unit", read_releases(folder, "unit")), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto((folder / "unit.html").as_uri())
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 500)")
    assert page.evaluate("window.attacked") is None
    page.close()


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_it_needs_no_sideways_scrolling(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("document.documentElement.scrollHeight") > 1500


def test_it_prints(opened: Page) -> None:
    content = opened.pdf(format="A4")
    assert content.startswith(b"%PDF") and 4 <= content.count(b"/Type /Page") <= 60
    opened.emulate_media(media="print")
    opened.set_viewport_size({"width": 794, "height": 1123})  # of A4
    assert not opened.locator("audio").first.is_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") <= 794


def test_without_scripts_the_first_rows_are_there(html: Path, browser: Browser) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(html.as_uri())
    assert page.locator("#utterance-table tbody tr").count() == 20
    assert "Scripts are switched off" in page.content()
    assert page.locator("article").count() == 8
    page.close()
