"""The overview page in a browser, opened from disk: what is drawn where, and what is heard.

Needs Debian's chromium, which playwright drives.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bridge.deliver import overview
from bridge.deliver.song import read_song
from bridge.model import DeliverOptions, Note
from bridge.progress import Progress
from tests.deliver_support import RATE, SECONDS, make_result

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
    # Playwright's transport is closed by its own loop after the test, which Python 3.12 and later warn of.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

NOTES = {
    "bass": [Note(2.0, 4.0, 40, 127, 0.5), Note(8.0, 9.0, 52, 127, 0.5)],
    "drums": [Note(4.0, 4.1, 36, 127), Note(10.0, 10.1, 38, 127)],
}
Open = Callable[..., Any]


class Outlet:
    """A result folder that is there already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, relative: str) -> Path:
        return self.folder / relative

    def write_bytes(self, relative: str, data: bytes) -> None:
        self.path(relative).write_bytes(data)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A name that is a name to files, a tag to HTML and an address to nobody.
    folder = make_result(tmp_path_factory.mktemp("page") / "A&B #1 100% <b>é", NOTES)
    (folder / "preview").mkdir()
    silence = np.zeros((round(SECONDS * RATE), 1))
    for name in NOTES:
        soundfile.write(folder / f"preview/{name}.wav", silence, RATE, subtype="PCM_24")
        soundfile.write(folder / f"stems/{name}.wav", silence, RATE, subtype="PCM_24")
    overview.write(read_song(folder), Outlet(folder), DeliverOptions(), Progress())
    return folder


@pytest.fixture(scope="module")
def open_page(result: Path) -> Iterator[Open]:
    """Opens the page; it may say nothing on its console and ask for nothing but its own audio."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        @contextmanager
        def opened(path: Path = result / "overview.html", **options: Any) -> Iterator[Any]:
            page = browser.new_page(viewport={"width": 1200, "height": 900}, **options)
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(path.as_uri())
            yield page
            assert not said
            assert all(url.startswith("file://") for url in asked)
            page.close()

        yield opened
        browser.close()


def colors(page: Any, part: int, places: list[tuple[float, float]]) -> list[tuple[int, ...]]:
    """Colours of a part's canvas at (seconds, share of the height)."""
    script = """([part, places]) => {
        const canvas = parts[part].canvas;
        const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return places.map(([time, height]) => {
            const x = Math.round(xOf(time, canvas.clientWidth) * devicePixelRatio);
            const at = (Math.round(height * canvas.height) * canvas.width + x) * 4;
            return [...image.data.slice(at, at + 3)];
        });
    }"""
    return [tuple(color) for color in page.evaluate(script, [part, places])]


def until(page: Any, expression: str) -> None:
    """Wait for something to hold; playwright's own way evaluates text in the page, which its policy forbids."""
    end_s = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < end_s, expression
        page.wait_for_timeout(20)


def is_hued(color: tuple[int, ...]) -> bool:
    """Whether a colour is a part's own, not a shade of the page."""
    return max(color) - min(color) > 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_notes_are_drawn_at_their_time_and_pitch(open_page: Open, scheme: str) -> None:
    with open_page(color_scheme=scheme) as page:
        high, low = page.evaluate(
            "[52, 40].map((pitch) => { const p = placesOf(parts[0], 1).get(pitch); return p.top + p.size / 2 })"
        )
        assert high < low
        inside = [(2.1, low), (3.9, low), (8.5, high)]
        outside = [(1.9, low), (4.15, low), (3.0, high), (8.5, low)]
        found = [is_hued(color) for color in colors(page, 0, inside + outside)]
        assert found == [True] * len(inside) + [False] * len(outside)


def test_drums_are_drawn_as_a_grid_in_rows_of_their_own(open_page: Open) -> None:
    with open_page() as page:
        assert page.evaluate("rowsOf(parts[1]).map((row) => row.name)") == ["snare", "kick"]
        found = colors(page, 1, [(4.03, 0.75), (4.03, 0.25), (10.03, 0.25), (10.03, 0.75)])
        assert [is_hued(color) for color in found] == [True, False, True, False]


def test_zoom_and_seek_keep_time_and_place_together(open_page: Open) -> None:
    with open_page() as page:
        box = page.locator("canvas.lane").first.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
        assert page.evaluate("player.time") == pytest.approx(SECONDS / 2, abs=0.05)
        page.keyboard.press("+")
        assert page.evaluate("view.end - view.start") == pytest.approx(SECONDS / 2)
        assert page.evaluate("xOf(player.time, 1000)") == pytest.approx(500, abs=5)
        page.keyboard.press("Home")
        assert page.evaluate("player.time") == 0
        page.keyboard.press("Shift+ArrowRight")
        assert page.evaluate("player.time") == pytest.approx(2.0, abs=0.01)
        assert page.locator("#bar").text_content() == "2.1"


def test_playback_switches_between_stem_and_midi_while_it_runs(open_page: Open) -> None:
    heard = "player.voices.map((v) => [!v.audio.stem.muted, !v.audio.preview.muted])"
    with open_page() as page:
        page.get_by_role("button", name="Play", exact=True).click()
        until(page, "player.time > 0.5")
        assert page.evaluate(heard) == [[True, False], [True, False]]
        page.get_by_role("button", name="MIDI of bass").click()
        assert page.evaluate(heard) == [[False, True], [True, False]]
        assert page.get_by_role("button", name="MIDI of bass").get_attribute("aria-pressed") == "true"
        page.keyboard.press("m")
        assert page.evaluate(heard) == [[False, True], [False, True]]
        page.get_by_role("button", name="Solo drums").click()
        assert page.evaluate(heard) == [[False, False], [False, True]]
        until(page, "player.time > 1.5")
        times = page.evaluate("player.elements().map((audio) => audio.currentTime)")
        assert max(times) - min(times) < 0.15
        page.keyboard.press("Space")
        assert page.evaluate("player.playing") is False


def test_what_runs_apart_is_brought_together(open_page: Open) -> None:
    with open_page() as page:
        page.keyboard.press("Space")
        until(page, "player.time > 0.3")
        page.evaluate("player.voices[1].audio.preview.currentTime = 9")
        until(
            page, "Math.abs(player.voices[1].audio.preview.currentTime - player.voices[0].audio.stem.currentTime) < 0.1"
        )


def test_playing_stops_at_the_end(open_page: Open) -> None:
    with open_page() as page:
        page.evaluate("player.seek(player.duration - 0.6)")
        page.keyboard.press("Space")
        until(page, "!player.playing && player.time > player.duration - 0.1")


def test_everything_is_reached_with_the_keyboard_in_reading_order(open_page: Open) -> None:
    with open_page() as page:
        names = []
        for _ in range(15):
            page.keyboard.press("Tab")
            names.append(
                page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
            )
        assert names[:2] == ["Play", "Position in the song"]
        order = ["Solo bass", "Mute bass", "Stem of bass", "MIDI of bass", "Solo drums"]
        assert [name for name in names if name in order] == order


def test_links_lead_to_the_files(open_page: Open, result: Path) -> None:
    with open_page() as page:
        addresses = page.locator("#files a").evaluate_all("(links) => links.map((link) => link.href)")
    expected = {(result / name).as_uri() for name in ("manifest.json", "stems/bass.wav", "midi/song.mid")}
    assert expected <= set(addresses)


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_the_page_fits_a_screen_of_any_width(open_page: Open, width: int) -> None:
    with open_page() as page:
        page.set_viewport_size({"width": width, "height": 800})
        until(page, "parts[0].canvas.width === Math.round(parts[0].canvas.clientWidth * devicePixelRatio)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_previews_the_switch_is_off_and_the_page_says_why(
    open_page: Open, result: Path, tmp_path: Path
) -> None:
    folder = make_result(tmp_path / "song", NOTES)
    overview.write(read_song(folder), Outlet(folder), DeliverOptions(), Progress())
    with open_page(folder / "overview.html") as page:
        assert page.get_by_role("button", name="MIDI of bass").is_disabled()
        assert "preview" in page.locator("#remark").text_content()


def test_a_part_whose_stem_cannot_be_played_is_heard_from_its_midi(open_page: Open, result: Path) -> None:
    stem = result / "stems/bass.wav"
    whole = stem.read_bytes()
    stem.write_bytes(b"no audio")
    try:
        with open_page() as page:
            until(page, "player.voices[0].audio.stem.failed")
            assert page.evaluate("player.voices.map((voice) => voice.source)") == ["preview", "stem"]
            assert page.get_by_role("button", name="MIDI of bass").get_attribute("aria-pressed") == "true"
    finally:
        stem.write_bytes(whole)


def test_a_pause_right_after_play_leaves_nothing_running(open_page: Open) -> None:
    with open_page() as page:
        page.evaluate("(async () => { const started = player.play(); player.pause(); await started; })()")
        assert page.evaluate("player.timer ?? null") is None
