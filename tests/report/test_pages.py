"""The page of a diagnosis: it shows what was found, fetches nothing, and runs nothing that a name says."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.curate.doctor import Diagnosis
from facefeat.curate.findings import KINDS, Finding
from facefeat.data.folder import list_people
from facefeat.features.store.file import read
from facefeat.report import diagnosis, pages
from tests.making import encoded, write_people

EVIL = ("<b>bold<|b>", '"><img src=x onerror=alert(1)>', "'onload='alert(1)", "{{ 7 * 7 }}", "&amp;", "a\x1b[31m")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_people(tmp_path / "my <i>data", {"ada": 3, "bob": 3})


def diagnosed(
    data: Path, thumb_file: Path, findings: Sequence[Finding], against: Path | None = None, notes: tuple[str, ...] = ()
) -> Diagnosis:
    other = list_people(against) if against else None
    return Diagnosis(list_people(data), read(thumb_file), other, tuple(findings), notes, None, 0.1)


class Page(HTMLParser):
    """What stands in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def having(self, name: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags if name in attrs]


def shown(found: Diagnosis) -> Page:
    """Render a page, which must be harmless whatever is in it."""
    text = pages.diagnosis(found)
    text.encode()
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>\n") and "http:" not in text and "https:" not in text
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "svg"} & {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in page.all("meta")
    assert all(link.startswith("#") for link in page.having("href"))
    assert {link[1:] for link in page.having("href")} <= set(page.having("id"))
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.having("src"))
    assert "@import" not in text and "url(" not in text
    return page


def pictures(page: Page) -> Sequence[Image.Image]:
    found = [
        Image.open(BytesIO(base64.b64decode(source.partition(",")[2], validate=True))) for source in page.having("src")
    ]
    for one in found:
        one.load()
    return found


def test_every_kind_has_a_title_and_advice() -> None:
    assert list(diagnosis.ADVICE) == list(KINDS) == [kind for kind in KINDS if diagnosis.title(kind)]


def test_a_page_shows_both_pictures_with_why(data: Path, thumb_file: Path) -> None:
    one = Finding("near_duplicate", "ada/01.png", "It is nearly the same.", "ada/02.png", 0.98765, "remove")
    page = shown(diagnosed(data, thumb_file, [one], notes=("A note.",)))
    assert [image["alt"] for image in page.all("img")] == ["ada/01.png", "ada/02.png"]
    assert [(image.format, image.size) for image in pictures(page)] == [("JPEG", (48, 48))] * 2
    for text in (
        "It is nearly the same.",
        "agreement 0.988",
        "remove",
        "A note.",
        "my <i>data",
        "6 pictures of 2 people.",
    ):
        assert text in page.text
    assert page.having("id") == ["near_duplicate"] and page.having("href") == ["#near_duplicate"]


def test_a_page_where_nothing_was_found(data: Path, thumb_file: Path) -> None:
    page = shown(diagnosed(data, thumb_file, []))
    assert "nothing found" in page.text and not page.all("img") and not page.all("h2")


def test_every_kind_has_its_section_in_order(data: Path, thumb_file: Path) -> None:
    page = shown(diagnosed(data, thumb_file, [Finding(kind, "ada/01.png", "Why.") for kind in reversed(KINDS)]))
    assert page.having("id") == list(KINDS)
    assert all(diagnosis.ADVICE[kind] in page.text for kind in KINDS)


def test_names_are_text_and_nothing_else(tmp_path: Path, thumb_file: Path) -> None:
    data = tmp_path / EVIL[1].replace("/", "|")
    for name in EVIL:
        (data / name).mkdir(parents=True)
        (data / name / f"{name}.png").write_bytes(encoded(np.zeros((20, 20, 3), np.uint8)))
    findings = [
        Finding(kind, f"{name}/{name}.png", f"It looks more like {name}.", f"{name}/{name}.png", 0.5, "", name)
        for kind in ("suspect", "near_duplicate")
        for name in EVIL
    ]
    page = shown(diagnosed(data, thumb_file, findings, notes=EVIL))
    assert not page.all("b") and len(page.all("img")) == 4 * len(EVIL)
    for name in EVIL[:-1]:
        assert f"{name}/{name}.png" in [image["alt"] for image in page.all("img")]
        assert f"It looks more like {name}." in page.text
    assert "\x1b" not in page.text.replace(EVIL[-1], "")


def test_names_that_are_no_text(tmp_path: Path, thumb_file: Path) -> None:
    data = write_people(tmp_path / "data\udcff", {"ada": 1})
    (data / "ada").rename(data / "caf\udce9")
    page = shown(diagnosed(data, thumb_file, [Finding("dark", "caf%E9/01.png", "Why.")]))
    assert page.all("img")[0]["alt"] == "caf%E9/01.png" and "data%FF" in page.text


def test_at_most_so_many_cards_of_a_kind(data: Path, thumb_file: Path) -> None:
    findings = [
        Finding(kind, "ada/01.png", f"{number}") for kind in ("dark", "tiny") for number in range(pages.CARDS + 7)
    ]
    page = shown(diagnosed(data, thumb_file, findings))
    assert [attrs.get("class") for attrs in page.all("article")] == ["card"] * 2 * pages.CARDS
    assert page.text.count("… and 7 more, in the list of --fix.") == 2
    assert page.text.count(str(pages.CARDS + 7)) >= 4  # in the table and in the heading of each


def test_pictures_that_cannot_be_shown(data: Path, thumb_file: Path) -> None:
    (data / "ada" / "x.jpg").write_text("no picture")
    findings = [Finding("unusable", "ada/x.jpg", "Why."), Finding("duplicate", "ada/gone.png", "Why.", "ada/01.png")]
    page = shown(diagnosed(data, thumb_file, findings))
    assert page.text.count("no picture") == 2 and len(pictures(page)) == 1


def test_of_a_person_with_few_pictures_the_first_is_shown(data: Path, thumb_file: Path) -> None:
    Image.new("RGB", (48, 48), (0, 90, 200)).save(data / "bob" / "01.png")
    page = shown(diagnosed(data, thumb_file, [Finding("few", "bob", "3 different pictures.", value=3)]))
    (image,) = page.all("img")
    assert image["alt"] == "bob"
    (first,) = pictures(page)
    assert np.allclose(np.asarray(first), (0, 90, 200), atol=6)


def test_a_leaks_other_picture_is_that_of_the_other_data_set(data: Path, thumb_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for person, colour in (("zoe", (250, 0, 0)), ("ada", (0, 250, 0))):
        (other / person).mkdir(parents=True)
        Image.new("RGB", (30, 30), colour).save(other / person / "01.png")
    page = shown(diagnosed(data, thumb_file, [Finding("leak", "ada/01.png", "Why.", "ada/01.png", 1.0)], other))
    mine, theirs = pictures(page)
    assert mine.size == (48, 48) and theirs.size == (30, 30)
    assert np.allclose(np.asarray(theirs)[15, 15], (0, 250, 0), atol=6)
    assert "6 pictures of 2 people, and 2 pictures of the other data set." in page.text


def test_large_pictures_are_shown_small_and_upright(tmp_path: Path, thumb_file: Path) -> None:
    (tmp_path / "data" / "ada").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 800), (9, 9, 9)).save(tmp_path / "data" / "ada" / "1.jpg", exif=exif)
    page = shown(diagnosed(tmp_path / "data", thumb_file, [Finding("dark", "ada/1.jpg", "Why.")]))
    assert [image.size for image in pictures(page)] == [(pages.THUMBNAIL // 2, pages.THUMBNAIL)]
    assert len(pages.diagnosis(diagnosed(tmp_path / "data", thumb_file, [])).encode()) < 10_000


def test_a_browser_shows_the_page(tmp_path: Path, thumb_file: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium here to show the page")
    name = '"><img src=x onerror=document.title=1>'
    (tmp_path / "data" / name).mkdir(parents=True)
    Image.new("RGB", (60, 60), (255, 0, 255)).save(tmp_path / "data" / name / "1.png")
    found = diagnosed(tmp_path / "data", thumb_file, [Finding("dark", f"{name}/1.png", "Why.")])
    (tmp_path / "page.html").write_text(pages.diagnosis(found), encoding="utf-8")
    picture = tmp_path / "page.png"
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=800,900",
        f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", (tmp_path / "page.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or not picture.exists():
        pytest.skip(f"chromium does not run here (exit {done.returncode})")
    pixels = np.asarray(Image.open(picture).convert("RGB"), np.int16)
    magenta = np.all(np.abs(pixels - (255, 0, 255)) < 12, axis=2)
    assert magenta.sum() > 5_000  # the picture itself, enlarged as its style says
    rows, columns = np.nonzero(magenta)
    assert 150 <= np.ptp(rows) + 1 <= 170 and 150 <= np.ptp(columns) + 1 <= 170  # 10rem high
    assert re.search(r"Content Security Policy|Refused", done.stderr) is None
