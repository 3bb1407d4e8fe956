"""Where a note is let go, by its level."""

import numpy as np

from bridge.transcription.endings import let_go


def test_a_damped_note_ends_where_its_level_falls() -> None:
    level_db = np.concatenate([np.linspace(-10, -16, 40), np.linspace(-20, -70, 15), np.full(20, -90.0)])
    assert abs(let_go(level_db.astype(np.float32), 0, 75, 12.0) - 40) <= 2


def test_a_note_that_rings_down_slowly_sounds_to_its_end() -> None:
    level_db = np.linspace(-10, -60, 100).astype(np.float32)
    assert let_go(level_db, 0, 100, 12.0) == 100


def test_a_dip_that_the_level_comes_back_from_is_no_end() -> None:
    level_db = np.full(60, -10.0, dtype=np.float32)
    level_db[30:34] = -50.0
    assert let_go(level_db, 0, 60, 12.0) == 60


def test_what_the_next_note_does_says_nothing_of_this_one() -> None:
    level_db = np.concatenate([np.full(20, -10.0), np.full(10, -60.0), np.full(20, -5.0)]).astype(np.float32)
    assert abs(let_go(level_db, 0, 30, 12.0) - 20) <= 2


def test_the_shortest_notes_are_left_as_they_are() -> None:
    level_db = np.array([-10.0, -60.0, -90.0, -90.0, -90.0], dtype=np.float32)
    assert let_go(level_db, 0, 5, 12.0) == 5
