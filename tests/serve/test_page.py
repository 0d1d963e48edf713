"""The page in Chromium: what people can do with it, at a desk and on a phone."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.serve.conftest import drawn_crop, with_token


@pytest.fixture
def visit(browser):
    """Open the page of a service; fails where it asks another host, or breaks its own security policy."""
    pages, requests, faults = [], [], []

    def open_page(client, width=1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(f"http://127.0.0.1:{client.port}/")
        pages.append((page, client.port))
        return page

    yield open_page
    for page, _ in pages:
        page.close()
    assert faults == []
    own = tuple(f"http://127.0.0.1:{port}/" for _, port in pages)
    assert [url for url in requests if not url.startswith((*own, "data:", "blob:"))] == []


def files(*seeds):
    return [{"name": f"crop{seed}.png", "mimeType": "image/png", "buffer": drawn_crop(seed)} for seed in seeds]


def said(page, words):
    page.locator("#said", has_text=words).wait_for()


def test_a_crop_is_dropped_looked_up_enrolled_and_erased(service, visit):
    client = service()
    client.send("/enrol", drawn_crop(0), person="ann", camera="door", time="2026-11-01")
    client.send("/enrol", drawn_crop(1), person="bob", camera="yard", time="2026-11-03")
    page = visit(client)
    page.wait_for_selector("#query:not([hidden])")
    assert "2 images; a match has a score of" in page.text_content("#facts")
    data = page.evaluate_handle(
        """bytes => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'seen.png', {type: 'image/png'})); return data; }""",
        list(drawn_crop(0)),
    )
    page.dispatch_event("#query .drop", "drop", {"dataTransfer": data})
    page.wait_for_selector("#query .chosen img")
    page.click("#query button.main")
    said(page, "1 query, 1 with a match")
    assert page.text_content("#answers .who b") == "seen.png"
    tiles = page.locator("#answers .tile")
    assert tiles.locator("b").all_text_contents() == ["ann", "bob"]
    assert "· 1.000" in tiles.first.text_content()
    assert tiles.locator("img").first.evaluate("image => image.naturalWidth") > 0
    page.fill("#query [name=camera]", "yard")
    page.fill("#query [name=since]", "2026-11-02T00:00")
    page.click("#query button.main")
    tiles.nth(1).wait_for(state="detached")
    assert tiles.locator("b").all_text_contents() == ["bob"]

    page.click("#tab_enrol")
    page.set_input_files("#enrol [name=image]", files(2))
    page.fill("#enrol [name=person]", "<b>cem</b>")
    page.keyboard.press("Enter")
    said(page, "1 image is enrolled")
    page.click("#tab_list")
    page.click("#list button.main")
    page.wait_for_selector("#rows tr:nth-child(3)")
    assert "<b>cem</b>" in page.text_content("#rows tr:nth-child(3)")
    page.click("#rows tr:nth-child(3) button")
    page.keyboard.press("Enter")  # Keep has the focus
    page.wait_for_selector("dialog[open]", state="detached")
    page.click("#rows tr:nth-child(3) button")
    page.click("dialog button[value=yes]")
    said(page, "1 image is erased; 2 left")
    page.click("#tab_query")
    page.set_input_files("#query [name=image]", [{"name": "a.png", "mimeType": "image/png", "buffer": b"no image"}])
    page.click("#query button.main")
    page.wait_for_selector("#fault:not([hidden])")
    assert "no image that can be read" in page.text_content("#fault")


def test_a_token_opens_what_its_roles_allow_by_the_keyboard_alone(service, visit, tmp_path):
    client = service(tokens="required", audit=tmp_path / "keys", purpose="required", below_threshold="withheld")
    with_token(client, "in", "enrol").send("/enrol", drawn_crop(0), person="ann")
    tokens = {role: with_token(client, role, role).token for role in ("query", "audit")}
    late = with_token(client, "late", "query", expires=datetime.now(UTC) - timedelta(days=1)).token
    page = visit(client, width=390)
    keys = page.keyboard

    def enter(token):
        page.locator("#token:focus").wait_for()
        keys.insert_text(token)
        keys.press("Enter")

    enter(late)
    page.wait_for_selector("#fault:not([hidden])")
    assert "was expired" in page.text_content("#fault")
    enter(tokens["query"])
    page.wait_for_selector("#query:not([hidden])")
    assert page.locator("[role=tab]:visible").all_text_contents() == ["Look up"]
    assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
    page.set_input_files("#query [name=image]", files(0))
    page.click("#query button.main")
    page.wait_for_selector("#fault:not([hidden])")
    assert "needs a purpose" in page.text_content("#fault")
    page.fill("#purpose", "case ä")
    page.focus("#query [name=top]")
    keys.press("Enter")
    said(page, "1 query, 1 with a match")
    assert page.locator("#answers button").count() == 0
    page.set_input_files("#query [name=image]", files(1))
    page.click("#query button.main")
    said(page, "1 query, 0 with a match")
    assert page.text_content("#answers .verdict") == "no match"
    assert "1 image below the threshold withheld" in page.text_content("#answers")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.click("#leave")
    enter(tokens["audit"])
    page.wait_for_selector("#list:not([hidden])")
    page.focus("#tab_list")
    keys.press("ArrowRight")
    page.wait_for_selector("#audit:not([hidden])")
    page.click("#audit button.main")
    page.wait_for_selector("#lines tr")
    text = page.text_content("#lines")
    assert "case ä" in text
    assert "refused" in text
    page.click("#verify")
    said(page, "are whole")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
