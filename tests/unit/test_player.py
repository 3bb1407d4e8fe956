"""A result folder becomes a schedule, and the schedule becomes messages at their times."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from bridge.commands.play import _folder_of, _heard, play
from bridge.errors import InvalidRequest
from bridge.outputs import messages, wire
from bridge.outputs.lateness import Lateness
from bridge.outputs.outlet import Outlet
from bridge.outputs.player import STALL_S, Options, Player, State
from bridge.outputs.reader import read_score
from bridge.outputs.score import Event, Score, TimedNote, events_of

REPOSITORY = Path(__file__).resolve().parents[2]
BARS_S = (0.0, 2.0, 4.0)
BEATS_S = tuple(index * 0.5 for index in range(12))
#: By the owner's clock, what is played at second 0 is due then.
LEAD_S = 0.05


def score(**parts: list[TimedNote]) -> Score:
    return Score({part: tuple(events_of(part, rows)) for part, rows in parts.items()}, BARS_S, BEATS_S, 4.0)


def sent_by(player: Player, until_s: float) -> list[tuple[float, str]]:
    """What a player sends from 0 s until a time, in song time at speed 1, as hex."""
    sent = player.play(0.0)
    for step in range(int(until_s / 0.1)):
        sent += player.due(step * 0.1)
    sent += player.due(until_s)
    return [(round(due_s - LEAD_S, 6), message.hex()) for due_s, message in sent]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_stream", REPOSITORY / "tools/measure_stream.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure_stream"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tool: ModuleType, tmp_path: Path) -> Path:
    result: Path = tool.make_song(tmp_path / "song", 8, 2.0)
    return result


def test_notes_are_sent_on_their_part_s_channel_at_their_time():
    player = Player(score(bass=[TimedNote(0.5, 1.0, 40, 90)], drums=[TimedNote(1.5, 1.6, 36, 100)]), Options())
    assert sent_by(player, 3.0) == [(0.5, "90285a"), (1.0, "802840"), (1.5, "992464"), (1.6, "892440")]


def test_a_note_that_is_struck_again_while_it_sounds_ends_before():
    player = Player(score(melody=[TimedNote(0.0, 1.0, 60, 90), TimedNote(0.5, 2.0, 60, 80)]), Options())
    assert sent_by(player, 3.0) == [(0.0, "913c5a"), (0.5, "813c40"), (0.5, "913c50"), (2.0, "813c40")]


def test_stopping_ends_single_notes_first_then_the_channels():
    player = Player(score(bass=[TimedNote(0.0, 3.0, 40, 90), TimedNote(0.0, 3.0, 45, 90)]), Options())
    sent_by(player, 1.0)
    stopped = [message.hex() for _, message in player.stop(1.0)]
    assert stopped == ["802840", "802d40", "b04000", "e00040", "b07b00"]


def test_playing_goes_on_where_it_was_stopped():
    player = Player(score(bass=[TimedNote(0.2, 0.4, 40, 90), TimedNote(1.0, 1.5, 41, 90)]), Options())
    sent_by(player, 0.5)
    player.stop(0.5)
    player.play(20.0)
    assert player.next_due_s() == pytest.approx(20.0 + LEAD_S + 1.0 - 0.45)


def test_muted_parts_are_silent():
    rows = [TimedNote(0.0, 0.2, 40, 90)]
    player = Player(score(bass=rows, melody=rows), Options(muted=frozenset({"bass"})))
    assert [message for _, message in sent_by(player, 0.1)] == ["91285a"]


def test_a_loop_of_a_bar_ends_what_sounds_and_begins_again_without_a_gap():
    player = Player(
        score(bass=[TimedNote(2.0, 3.9, 40, 90), TimedNote(3.5, 4.5, 41, 90)]), Options(from_bar=2, loop=True)
    )
    # Song time runs from bar 2 on, so that the first turn begins 0 s after the lead.
    assert sent_by(player, 2.3) == [
        (0.0, "90285a"),
        (1.5, "90295a"),
        (1.9, "802840"),
        (2.0, "802940"),
        (2.0, "90285a"),
    ]
    assert player.turns == 1


def test_bars_that_the_song_has_not_are_refused():
    with pytest.raises(ValueError, match="the song has 2 bars, and no bar 3"):
        Player(score(bass=[]), Options(from_bar=3))
    with pytest.raises(ValueError, match="no stretch"):
        Options(from_bar=2, to_bar=1)


def test_controls_before_the_place_are_sent_first_and_programs_only_if_wanted():
    setup = (Event(0.0, bytes([0xC0, 33])), Event(0.0, bytes([0xB0, 101, 0])), Event(0.5, bytes([0xE0, 0, 70])))
    song = Score({"bass": setup}, BARS_S, BEATS_S, 4.0)
    assert [message.hex() for _, message in Player(song, Options(from_bar=2)).play(0.0)] == ["b06500", "e00046"]
    with_programs = Player(song, Options(from_bar=2, programs=True)).play(0.0)
    assert [message.hex() for _, message in with_programs] == ["c021", "b06500", "e00046"]


def test_the_clock_begins_with_start_or_with_a_song_position():
    first = Player(score(bass=[]), Options(clock=True))
    assert [message for _, message in sent_by(first, LEAD_S + 0.001)] == ["fa", "f8"]
    later = Player(score(bass=[]), Options(clock=True, from_bar=2))
    # Bar 2 of 4/4 is the 16th sixteenth from 0 on.
    assert [message for _, message in sent_by(later, LEAD_S + 0.001)] == ["f21000", "fb", "f8"]
    assert first.stop(0.06)[0].message == messages.STOP


def test_after_sleep_playing_goes_on_instead_of_catching_up():
    rows = [TimedNote(index * 0.1, index * 0.1 + 0.05, 40, 90) for index in range(30)]
    player = Player(score(bass=rows), Options())
    sent_by(player, 0.5)
    woken = player.due(100.0)
    assert len(woken) == 1
    assert player.stalls == 1
    assert player.next_due_s() == pytest.approx(100.05, abs=STALL_S / 10)


def test_a_growing_song_waits_until_enough_is_known():
    player = Player(Score({"bass": (), "drums": ()}, (), (), 0.0), Options(), growing=True)
    player.play(0.0)
    assert player.state is State.WAITING
    player.add(0.1, "bass", events_of("bass", [TimedNote(0.0, 5.0, 40, 90)]), 10.0)
    assert player.state is State.WAITING  # nothing is known of the drums
    player.add(0.2, "drums", [], 3.0)
    assert player.state is State.PLAYING
    heard: list[bytes] = []
    for step in range(40):
        heard += [message for _, message in player.due(0.2 + step * 0.1)]
    assert [message.hex() for message in heard] == ["90285a", "802840"]  # ended where knowledge ends
    assert player.state is State.WAITING
    assert player.position_s(9.0) == 3.0


def test_notes_that_come_too_late_are_passed_over_and_none_is_repeated():
    player = Player(Score({"bass": ()}, (), (), 0.0), Options(), growing=True)
    player.add(0.0, "bass", events_of("bass", [TimedNote(0.5, 0.6, 40, 90), TimedNote(2.5, 2.6, 41, 90)]), 9.0)
    player.play(0.0)
    heard = [message.hex() for step in range(21) for _, message in player.due(step * 0.1)]
    assert heard == ["90285a", "802840"]
    player.add(2.0, "bass", events_of("bass", [TimedNote(1.0, 1.1, 50, 90), TimedNote(3.5, 3.6, 51, 90)]), 9.0)
    heard = [message.hex() for step in range(20) for _, message in player.due(2.0 + step * 0.1)]
    assert heard == ["90295a", "802940", "90335a", "803340"]


def test_a_result_is_read_as_its_midi_files_say(folder: Path):
    song = read_score(folder)
    assert set(song.parts) == {"bass", "melody", "vocals", "drums"}
    assert song.bars_s[:3] == (0.0, 2.0, 4.0)
    begun = [event for event in song.parts["drums"] if messages.begins_note(event.message)]
    assert [(round(event.at_s, 3), event.message.hex()) for event in begun] == [(1.75, "992404"), (3.75, "992608")]
    assert song.pitches()[9] == {36, 38}


def test_a_part_without_midi_is_played_from_its_notes(folder: Path):
    manifest = json.loads((folder / "manifest.json").read_text("ascii"))
    for part in manifest["parts"]:
        part["midi"] = None
    whole = read_score(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest), "ascii")
    assert read_score(folder) == whole


@pytest.mark.parametrize("damage", [b"", b"MThd", b"\x00" * 100], ids=["empty", "cut", "zeros"])
def test_a_damaged_midi_file_is_said(folder: Path, damage: bytes):
    (folder / "midi/bass.mid").write_bytes(damage)
    with pytest.raises(InvalidRequest, match=r"bass\.mid is no MIDI file"):
        read_score(folder)


def test_a_folder_that_is_no_result_is_said(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="not a result"):
        read_score(tmp_path)


def test_the_outlet_ends_what_sounds_when_sending_breaks_off():
    heard: list[bytes] = []
    outlet = Outlet(heard.append)
    for message in (bytes([0x90, 40, 90]), bytes([0x99, 36, 90]), bytes([0x90, 40, 0])):
        outlet.send(message)
    heard.clear()
    outlet.hush()
    assert [message.hex() for message in heard] == [
        "892440",
        "b04000",
        "e00040",
        "b07b00",
        "b94000",
        "e90040",
        "b97b00",
    ]
    heard.clear()
    outlet.hush()
    assert heard == []


def test_a_sweep_spares_what_was_begun_since():
    heard: list[bytes] = []
    outlet = Outlet(heard.append)
    outlet.send(bytes([0x90, 40, 90]))
    outlet.plan_sweeps({0: [40, 41], 1: [60]}, 10.0)
    heard.clear()
    assert not outlet.sweep(10.0)
    assert [message.hex() for message in heard] == ["802940", "813c40", "b14000", "e10040", "b17b00"]
    assert outlet.sweep(99.0)
    assert outlet.next_sweep_s == float("inf")


def test_lateness_knows_its_quantiles():
    late = Lateness()
    for step in range(100):
        late.note((step + 0.5) / 1e4)  # in the middle of a row of the table
    assert late.summary_ms() == (5.0, 9.9, 9.95)
    late.note(5.0)
    assert late.summary_ms()[2] == 5000.0


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"do":"fly"}',
        b'{"do":"add","part":"flute","notes":[],"known_s":1}',
        b'{"do":"add","part":"bass","notes":[[0,1,200,90]],"known_s":1}',
        b'{"do":"load","number":1,"folder":"x","options":{"speed":1000}}',
    ],
)
def test_orders_that_make_no_sense_are_none(line: bytes):
    with pytest.raises(ValueError, match=r".+"):
        wire.order_from(line)


def test_orders_come_back_as_they_were():
    order = wire.Load(3, "/not \udcff Unicode", Options(speed=0.5, from_bar=2, loop=True, muted=frozenset({"bass"})))
    assert wire.order_from(wire.to_line(order)) == order
    clear = wire.Clear({9: (36, 38)})
    assert wire.order_from(wire.to_line(clear)) == clear


def test_reports_come_back_as_they_were():
    report = wire.Loaded(3, ("bass",), (0.0, 2.0), 2.0, {0: (40,)})
    assert wire.report_from(wire.to_line(report)) == report


def test_the_command_wants_a_result_and_known_parts():
    assert CliRunner().invoke(play, []).exit_code == 2
    refused = CliRunner().invoke(play, ["x", "--mute", "flute"])
    assert refused.exit_code == 2
    assert "there is no part flute; choose from bass, melody, vocals, drums" in refused.output


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_the_command_takes_only_names_that_a_port_can_have(name: str):
    refused = CliRunner().invoke(play, ["x", "--port", name])
    assert refused.exit_code == 2
    assert "1 to 64 printable characters" in refused.output


def test_the_command_names_the_parts_that_are_heard_and_refuses_to_play_nothing():
    song = wire.Loaded(1, ("bass", "drums"), (), 1.0, {})
    assert _heard(song, Options(muted=frozenset({"bass", "vocals"}))) == ["drums"]
    with pytest.raises(InvalidRequest, match="the result has bass, drums"):
        _heard(song, Options(muted=frozenset({"bass", "drums"})))


def test_the_command_takes_a_result_by_its_manifest():
    assert _folder_of(Path("song/manifest.json")) == Path("song")
    assert _folder_of(Path("song")) == Path("song")
