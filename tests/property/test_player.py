"""Whatever is asked of a player, in whatever order: notes that begin end, once, and nothing plays twice or early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from bridge.outputs.messages import CLOCK, STOP, begins_note, ends_note
from bridge.outputs.player import STALL_S, Options, Player, State, Timed
from bridge.outputs.score import CHANNELS, Score, TimedNote, events_of

#: Two bars a second apart for four seconds, a beat twice a second.
BARS_S = (0.0, 1.0, 2.0, 3.0, 4.0)
BEATS_S = tuple(index * 0.5 for index in range(12))

times = st.integers(0, 79).map(lambda step: step * 0.05)
lengths = st.integers(1, 40).map(lambda step: step * 0.05)
#: Few pitches, so that many overlap.
notes = st.builds(
    lambda onset, length, pitch, velocity: TimedNote(onset, onset + length, pitch, velocity),
    times,
    lengths,
    st.integers(60, 62),
    st.integers(1, 127),
)
parts = st.dictionaries(st.sampled_from(sorted(CHANNELS)), st.lists(notes, max_size=12), min_size=1)
#: What happens to a player: how much time passes, and what then.
doings = st.lists(
    st.tuples(st.integers(0, 60).map(lambda step: step * 0.011), st.sampled_from(["play", "stop", "look"])),
    max_size=30,
)
options = st.builds(
    Options,
    loop=st.booleans(),
    clock=st.booleans(),
    from_bar=st.integers(1, 4),
    speed=st.integers(1, 25).map(lambda tenths: tenths / 10),
    muted=st.frozensets(st.sampled_from(sorted(CHANNELS))),
)


def score_of(found: dict[str, list[TimedNote]]) -> Score:
    events = {part: tuple(events_of(part, rows)) for part, rows in found.items()}
    end_s = max([4.0, *(rows[-1].at_s for rows in events.values() if rows)])
    return Score(events, BARS_S, BEATS_S, end_s)


class Ear:
    """A receiver that complains about notes begun twice, ended unbegun, and time that goes backwards."""

    def __init__(self) -> None:
        self.sounding: set[tuple[int, int]] = set()
        self.begun: Counter[tuple[int, int]] = Counter()
        self.heard: list[bytes] = []
        self._last_s = float("-inf")

    def listen(self, sent: Iterable[Timed]) -> None:
        for due_s, message in sent:
            assert due_s >= self._last_s - 1e-9
            self._last_s = due_s
            self.heard.append(message)
            note = message[0] & 0x0F, message[1] if len(message) > 1 else 0
            if begins_note(message):
                assert note not in self.sounding
                self.sounding.add(note)
                self.begun[note] += 1
            elif ends_note(message):
                assert note in self.sounding
                self.sounding.remove(note)


def do(player: Player, ear: Ear, now_s: float, what: str) -> None:
    match what:
        case "play":
            ear.listen(player.play(now_s))
        case "stop":
            ear.listen(player.stop(now_s))
            assert not ear.sounding
        case _:
            ear.listen(player.due(now_s))


@given(parts, doings, options)
def test_every_note_that_begins_ends_whatever_is_done(
    found: dict[str, list[TimedNote]], done: list[tuple[float, str]], how: Options
):
    player, ear = Player(score_of(found), how), Ear()
    now_s = 100.0
    ear.listen(player.play(now_s))
    for after_s, what in done:
        now_s += after_s
        do(player, ear, now_s, what)
    ear.listen(player.stop(now_s))
    assert not ear.sounding
    assert not {CHANNELS[part] for part in how.muted} & {channel for channel, _ in ear.begun}
    assert player.next_due_s() is None


@given(parts, st.lists(st.integers(1, 38).map(lambda step: step * 0.013), min_size=1, max_size=60))
@example({"bass": [TimedNote(0.15, 0.2, 60, 1)]}, [0.182, 0.494])
def test_a_song_is_played_whole_once_and_in_time(found: dict[str, list[TimedNote]], steps: list[float]):
    player, ear = Player(score_of(found), Options()), Ear()
    assert max(steps) < STALL_S  # whoever looks in later has been away, and the song waits: tests/unit/test_player.py
    now_s = 50.0
    sent = player.play(now_s)
    zero_s = player.zero_s
    for step in [*steps, *[0.4] * 20]:
        now_s += step
        sent += player.due(now_s)
    ear.listen(sent)
    assert player.state is State.ENDED
    assert not ear.sounding
    wanted = sorted((note.onset_s, CHANNELS[part], note.pitch) for part, rows in found.items() for note in rows)
    played = sorted(
        (round(due_s - zero_s, 6), message[0] & 0x0F, message[1]) for due_s, message in sent if begins_note(message)
    )
    assert [row[1:] for row in played] == [row[1:] for row in wanted]
    assert all(abs(got[0] - want[0]) < 1e-6 for got, want in zip(played, wanted, strict=True))


@given(parts, st.integers(1, 4), st.integers(0, 3), st.floats(0.25, 4.0))
def test_each_turn_of_a_loop_is_the_same_and_as_long(
    found: dict[str, list[TimedNote]], from_bar: int, more: int, speed: float
):
    to_bar = min(4, from_bar + more)
    player, ear = Player(score_of(found), Options(loop=True, from_bar=from_bar, to_bar=to_bar, speed=speed)), Ear()
    length_s = (to_bar - from_bar + 1) / speed
    sent = player.play(0.0)
    start_s = sent[0].due_s if sent else 0.05
    now_s = 0.0
    while player.turns < 3:
        now_s += 0.1
        sent += player.due(now_s)
    ear.listen(sent)
    turns: list[list[tuple[float, bytes]]] = [[], [], []]
    for due_s, message in sent:
        turn, within_s = divmod(due_s - 0.05 + 1e-6, length_s)
        if begins_note(message) and turn < 3:
            turns[int(turn)].append((round(within_s, 3), message))
    assert [[message for _, message in turn] for turn in turns] == [[message for _, message in turns[0]]] * 3
    assert all(abs(a[0] - b[0]) <= 0.002 for turn in turns for a, b in zip(turn, turns[0], strict=True))
    inside = [note for rows in found.values() for note in rows if from_bar - 1 <= round(note.onset_s, 6) < to_bar]
    assert len(turns[0]) == len(inside)
    assert start_s >= 0.0


@given(st.integers(1, 4), st.floats(0.25, 4.0))
def test_the_clock_ticks_24_times_a_beat_and_ends_with_stop(from_bar: int, speed: float):
    player = Player(score_of({"bass": []}), Options(clock=True, from_bar=from_bar, speed=speed))
    sent = player.play(0.0)
    now_s = 0.0
    while player.state is State.PLAYING:
        now_s += 0.1
        sent += player.due(now_s)
    ticks = [due_s for due_s, message in sent if message == CLOCK]
    assert len(ticks) == (5 - from_bar) * 2 * 24
    assert all(abs(after - before - 0.5 / 24 / speed) < 1e-6 for before, after in pairwise(ticks))
    assert [message for _, message in sent].count(STOP) == 1


@given(st.lists(notes, max_size=20), st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_a_growing_song_is_played_whole_when_it_is_known_before_its_time(rows: list[TimedNote], portions: list[int]):
    player, ear = Player(Score({"bass": ()}, (), (), 0.0), Options(), growing=True), Ear()
    now_s = 10.0
    ear.listen(player.play(now_s))
    known_s = 0.0
    for portion in portions:
        until_s = known_s + portion * 0.5
        new = [note for note in rows if known_s <= note.onset_s < until_s]
        ear.listen(player.add(now_s, "bass", events_of("bass", new), until_s))
        known_s = until_s
        now_s += 0.3
    rest = [note for note in rows if note.onset_s >= known_s]
    ear.listen(player.add(now_s, "bass", events_of("bass", rest), 99.0))
    ear.listen(player.complete(now_s))
    while player.state is State.PLAYING:
        now_s += 0.25
        ear.listen(player.due(now_s))
    assert player.state is State.ENDED
    assert not ear.sounding
    assert sum(ear.begun.values()) == len(rows)
