"""The page in a browser: every way in, people who come and go, mistakes, and the keyboard alone."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import browser as browsers
from tests.browser import Browser
from tests.making import person_pixels
from tests.serve.films import write_y4m
from tests.serve.serving import Asker, picture_of, serving

NAMED = "[...document.querySelectorAll('#faces .name')].map(e => e.textContent).join()"
SAID = "document.getElementById('said').textContent"
PEOPLE = "[...document.querySelectorAll('#gallery h3')].map(e => e.textContent).join()"
FOCUS = "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || document.activeElement.id).trim()"
OPEN = "document.querySelector('dialog[open]')?.id ?? ''"
READY = "document.querySelectorAll('.pictures .ready').length"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browsers.found()
    if program is None:
        pytest.skip("there is no chromium here to show pages")
    folder = tmp_path_factory.mktemp("browser")
    film = write_y4m(folder / "camera.y4m", person_pixels("cleo", 50, size=320))
    options = (
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    )  # fmt: skip
    with browsers.browser(program, folder / "profile", *options) as found:
        yield found


@pytest.fixture(scope="module")
def served(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("page")
    report = folder / "report.html"
    report.write_text("<!DOCTYPE html><title>Report</title><style>h1 { color: teal }</style><h1>LDA wins</h1>")
    model = Path(shutil.copy(fitted, folder / "model.facefeat"))
    with serving(model, report=report) as asker:
        yield asker


@pytest.fixture
def page(browser: Browser, served: Asker) -> Iterator[Browser]:
    browser.said.clear()
    browser.asked.clear()
    browser.show(served.opened.address, 1280)
    browser.until("document.querySelectorAll('#gallery li').length > 0")
    yield browser
    own = (served.opened.address, f"blob:{served.opened.address}")
    assert [address for address in browser.asked if not address.startswith(own)] == []
    assert browser.said == []


def file(folder: Path, data: bytes, name: str = "a.png") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def look(page: Browser, given: Path) -> None:
    page.choose("#file", given)
    page.until(
        "!document.getElementById('look').hasAttribute('aria-busy') && document.getElementById('said').textContent"
    )


def test_a_file_that_is_chosen_is_looked_at(page: Browser, tmp_path: Path) -> None:
    look(page, file(tmp_path, picture_of("bob")))
    assert page.value(NAMED) == "bob" and page.value(SAID) == "The whole picture was looked at: bob."
    assert "over the threshold of" in page.value("document.querySelector('.score p').textContent")
    page.until("[...document.querySelectorAll('.nearest img')].every(e => e.complete && e.naturalWidth === 64)")
    assert page.value("document.querySelectorAll('.nearest img').length") == 3


def given_by(kind: str, field: str, data: bytes) -> str:
    """Return JavaScript that hands a file over as a browser does when it is dropped or pasted."""
    event = "DragEvent" if kind == "drop" else "ClipboardEvent"
    return f"""(() => {{
      const bytes = Uint8Array.from(atob("{base64.b64encode(data).decode()}"), c => c.charCodeAt(0));
      const given = new DataTransfer();
      given.items.add(new File([bytes], "given.png", {{ type: "image/png" }}));
      document.dispatchEvent(new {event}("{kind}", {{ {field}: given, bubbles: true, cancelable: true }}));
    }})()"""


@pytest.mark.parametrize(("kind", "field"), [("drop", "dataTransfer"), ("paste", "clipboardData")])
def test_a_file_that_is_dropped_or_pasted_is_looked_at(page: Browser, kind: str, field: str) -> None:
    page.value(given_by(kind, field, picture_of("dan")))
    page.until(f"{NAMED} === 'dan'")
    assert page.value("document.getElementById('caption').textContent") == "given.png"


def test_the_camera_is_looked_at_and_let_go(page: Browser) -> None:
    page.value("document.getElementById('photograph').click()")
    page.until("!document.getElementById('shoot').disabled && document.getElementById('video').videoWidth > 0")
    page.value("window.track = document.getElementById('video').srcObject.getTracks()[0]")
    page.value("document.getElementById('shoot').click()")
    page.until(f"{NAMED} === 'cleo'")
    assert page.value("window.track.readyState") == "ended" and page.value(OPEN) == ""


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no picture", "Not a picture of an accepted format (JPEG, MPO, PNG, WEBP, GIF, BMP, TIFF, PPM, AVIF)."),
        (b"", "The file is empty."),
        (bytes(21 * 1024**2), "21 MB; at most 20 MB are taken."),
    ],
)
def test_a_bad_file_gets_a_sentence(page: Browser, tmp_path: Path, data: bytes, sentence: str) -> None:
    look(page, file(tmp_path, data))
    assert page.value(SAID) == sentence and page.value(NAMED) == ""
    page.said[:] = [said for said in page.said if "422" not in said]  # the browser notes that the server refused it


def test_names_are_text_whatever_they_hold(page: Browser, served: Asker) -> None:
    name = "<img src=x onerror=alert(1)>"
    kept = served.keep(*(picture_of("mallory", i) for i in (1, 2, 3)))
    assert served.json("POST", "/api/people/%3Cimg%20src=x%20onerror=alert(1)%3E", {"pictures": kept}).status == 200
    page.call("Page.reload")
    page.until(f"{PEOPLE}.includes('onerror')")
    assert name in page.value(PEOPLE) and page.value("document.querySelectorAll('img[src=x]').length") == 0
    page.until("[...document.querySelectorAll('#gallery img')].every(e => e.complete && e.naturalWidth === 64)")
    assert served("DELETE", "/api/people/%3Cimg%20src=x%20onerror=alert(1)%3E").status == 200


def test_somebody_is_added_and_forgotten_by_the_keyboard_alone(page: Browser, served: Asker, tmp_path: Path) -> None:
    page.value("document.getElementById('search').focus(); document.getElementById('add').focus()")
    page.press("Enter")
    assert page.value(OPEN) == "adding" and page.value("document.activeElement.id") == "name"
    page.type("Eve Ö'Brien")
    page.choose("#files", *(file(tmp_path, picture_of("eve", i), f"{i}.png") for i in (1, 2, 3)))
    page.until(f"{READY} === 3")
    page.value("document.getElementById('name').focus()")
    page.press("Enter")
    page.until(f"{PEOPLE}.includes('Eve')")
    assert page.value("document.getElementById('changed').textContent") == "Eve Ö'Brien: 3 pictures added."
    assert page.value("document.activeElement.id") == "add"  # where the dialog was opened from
    page.press("Tab", 3)
    assert served.names() == ["Eve Ö'Brien", "ada", "bob", "cleo", "dan"]
    assert page.value(FOCUS) == "Add pictures to ada"
    page.press("Tab", 1, shift=True)
    assert page.value(FOCUS) == "Forget Eve Ö'Brien"
    page.press("Enter")
    assert page.value(OPEN) == "forgetting" and page.value(FOCUS) == "Keep"
    page.press("Escape")
    assert page.value(OPEN) == "" and page.value(FOCUS) == "Forget Eve Ö'Brien"
    page.press("Enter")
    page.press("Tab")
    assert page.value(FOCUS) == "Forget"
    page.press("Enter")
    page.until(f"!{PEOPLE}.includes('Eve')")
    assert page.value("document.getElementById('changed').textContent") == "Eve Ö'Brien is forgotten."
    assert served.names() == ["ada", "bob", "cleo", "dan"]


def test_pictures_that_look_like_another_are_taken_only_when_asked(
    page: Browser, served: Asker, tmp_path: Path
) -> None:
    page.value("document.getElementById('add').click()")
    page.type("eve")
    page.choose("#files", file(tmp_path, picture_of("ada")), file(tmp_path, b"no picture", "b.png"))
    page.until(f"{READY} === 1 && document.querySelectorAll('.pictures .refused').length === 1")
    page.value("document.getElementById('adding-go').click()")
    page.until("document.getElementById('adding-said').textContent.startsWith('Nothing was added')")
    said = page.value("document.getElementById('adding-said').textContent")
    assert said.startswith("Nothing was added. a.png: It looks like ada: score ") and "--force" not in said
    assert page.value("document.getElementById('force-label').hidden") is False
    page.value("document.getElementById('force').click(); document.getElementById('adding-go').click()")
    page.until(f"{PEOPLE}.includes('eve')")
    assert served("DELETE", "/api/people/eve").status == 200
    page.said[:] = [said for said in page.said if "422" not in said]


def test_tab_reaches_everything_in_order(page: Browser) -> None:
    found = []
    for _ in range(9):
        page.press("Tab")
        found.append(page.value("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert found == [
        "Skip to the photograph", "facefeat", "Photograph", "People", "report", "API", "file", "photograph", "add",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(
    page: Browser, served: Asker, tmp_path: Path, width: int, scheme: str
) -> None:
    page.show(served.opened.address, width, scheme=scheme)
    page.until("document.querySelectorAll('#gallery li').length > 0")
    look(page, file(tmp_path, picture_of("bob")))
    assert page.value("document.documentElement.scrollWidth") == width
    page.value("document.getElementById('add').click()")
    assert page.value("document.getElementById('adding').scrollWidth <= document.getElementById('adding').clientWidth")
    low = page.value(LOW)
    assert low == [], low


# Texts whose contrast to what is behind them is under 4.5 (WCAG 2.2, 1.4.3).
LOW = """(() => {
  const numbers = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => numbers(c).slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((numbers(c)[3] ?? 1) === 1) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest('.unseen, header')) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) found.push([e.textContent.trim().slice(0, 40), ((a + .05) / (b + .05)).toFixed(2)]);
  }
  return found;
})()"""


def test_everything_has_a_name_for_those_who_listen(page: Browser, tmp_path: Path) -> None:
    look(page, file(tmp_path, picture_of("bob")))
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    nameless = {"button", "link", "textbox", "searchbox", "checkbox", "navigation", "region", "dialog"}
    assert [role for role, name in roles if role in nameless and not name] == []
    for wanted in (
        ("main", ""),
        ("navigation", "Page"),
        ("region", "Who is this?"),
        ("region", "People it knows"),
        ("list", "Faces, left to right"),
        ("listitem", "Face 1 of 1: bob"),
    ):
        assert wanted in roles, wanted
    assert {"status"} <= {role for role, _ in roles}


def test_a_report_is_one_click_away(page: Browser, served: Asker) -> None:
    page.value("document.getElementById('report').click()")
    page.until("document.title === 'Report'")
    assert page.value("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 128, 128)"


def test_the_token_leaves_the_address(browser: Browser, fitted: Path) -> None:
    with serving(fitted, token="a-token-of-my-own", allowed=["faces.example.org"]) as ask:
        browser.said.clear()
        browser.show(f"http://127.0.0.1:{ask.port}/", 1280)
        assert browser.value("document.querySelector('h1').textContent") == "Sign in"
        browser.value(
            "document.getElementById('token').value = 'a-token-of-my-own'; document.querySelector('button').click()"
        )
        browser.until("document.querySelectorAll('#gallery li').length > 0")
        assert browser.value("location.href") == f"http://127.0.0.1:{ask.port}/"
        assert browser.value("document.cookie") == ""
        assert [said for said in browser.said if "401" not in said] == []


def test_the_page_asks_nobody_else() -> None:
    folder = Path(__file__).parents[2] / "facefeat/serve/page"
    for one in folder.iterdir():
        text = one.read_text()
        assert "//" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("// ", ""), one.name
        assert "innerHTML" not in text and "eval(" not in text and " style=" not in text, one.name
