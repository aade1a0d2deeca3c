"""Pages in a browser: nothing fetched, nothing logged, nothing wider than the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facefeat.report import comparison_page, evaluation_page
from tests import browser as browsers
from tests.browser import Browser
from tests.report.conftest import Compared, Evaluated

SCALE = "Math.min(...[...document.querySelectorAll('.plot svg')].map(s => s.getScreenCTM().a))"
GROUND = "getComputedStyle(document.body).backgroundColor"
INKS = "[...new Set([...document.querySelectorAll('.plot text')].map(t => getComputedStyle(t).fill))]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browsers.found()
    if program is None:
        pytest.skip("there is no chromium here to show pages")
    with browsers.browser(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, compared_people: Compared, evaluated_people: Evaluated
) -> dict[str, Path]:
    folder, other = tmp_path_factory.mktemp("pages"), evaluated_people
    texts = {
        "compare": comparison_page.page(compared_people.found, compared_people.file),
        "evaluate": evaluation_page.page(other.found, other.bundle, other.data),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("name", ["compare", "evaluate"])
@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_a_page_fits_the_screen_and_asks_for_nothing(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.said.clear()
    browser.asked.clear()
    browser.show(pages[name], width)
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)") is True
    assert browser.said == []
    assert {one for one in browser.asked if not one.startswith("data:")} == {pages[name].as_uri()}
    assert browser.value(SCALE) > 0.82  # letters of 11 units stay legible


def test_colours_follow_light_and_dark(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["compare"], 1280, scheme="light")
    light, inks = browser.value(GROUND), browser.value(INKS)
    browser.show(pages["compare"], 1280, scheme="dark")
    dark, others = browser.value(GROUND), browser.value(INKS)
    assert (light, dark) == ("rgb(250, 250, 248)", "rgb(20, 23, 26)")
    assert not set(inks) & set(others) and "rgb(0, 0, 0)" not in (*inks, *others)


def test_the_heads_stay_in_sight_while_the_table_is_pushed(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["compare"], 390)
    left = "document.querySelector('.figures tbody .first').getBoundingClientRect().left"
    before = browser.value(left)
    browser.value("document.querySelector('.figures').scrollLeft = 200")
    assert browser.value("document.querySelector('.figures').scrollLeft") == 200 and browser.value(left) == before


def test_a_page_can_be_printed(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["compare"], 1280)
    assert browser.paper().startswith(b"%PDF-")


def test_the_proofs_above_can_fail(browser: Browser, tmp_path: Path) -> None:
    browser.said.clear()
    browser.asked.clear()
    bad = tmp_path / "bad.html"
    policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
    bad.write_text(f"<!DOCTYPE html>{policy}<main><p style='width: 999px'>wide</p><img src=gone.png><script>1</script>")
    browser.show(bad, 390)
    assert any("Content Security Policy" in line for line in browser.said)
    bad.write_text("<!DOCTYPE html><meta name=viewport content='width=device-width, initial-scale=1'><main>"
                   "<p style='width: 999px'>wide</p><img src=gone.png>")  # fmt: skip
    browser.show(bad, 390)
    assert browser.value("document.documentElement.scrollWidth") > 390
    assert (tmp_path / "gone.png").as_uri() in browser.asked
