"""The names that users, files and engines share. Imports nothing, so that the command line knows them at once."""

from __future__ import annotations

from collections.abc import Iterable

PITCHED_PARTS = ("bass", "melody", "vocals")
PARTS = (*PITCHED_PARTS, "drums")
COMPONENTS = ("kick", "snare", "hihat", "cymbal", "ride", "tom")

#: What a recording can be said to be besides a song: one mix that is not to be separated, or one instrument.
RECORDINGS = ("mix", *PARTS)

DEMUCS_MODELS = ("htdemucs", "htdemucs_ft", "htdemucs_6s")
SEPARATORS = ("auto", "builtin", *DEMUCS_MODELS, "none")
DRUM_ENGINES = ("auto", "kit", "onset")

#: How sure notes of pitched parts must be, 0 to 1, where nobody says otherwise: the middle, to which all is tuned.
USUAL_TIGHTNESS = 0.5

#: What can be made of a result beyond its stems and MIDI (`bridge.deliver`), in the order in which it is made.
DELIVERIES = ("als", "dawproject", "loops", "score", "preview", "overview")
#: What is made where nobody says otherwise: what most want, and what takes a moment.
DEFAULT_DELIVERIES = ("als", "loops", "score", "overview")
#: Words for several kinds of deliveries.
DELIVERY_WORDS = {"all": DELIVERIES, "none": (), "default": DEFAULT_DELIVERIES}


def deliveries_named(names: Iterable[str]) -> tuple[str, ...]:
    """The kinds of deliveries that names stand for, each once, in the order in which they are made.

    Parameters
    ----------
    names
        Of kinds, or of `DELIVERY_WORDS`.

    Raises
    ------
    ValueError
        If there is no kind of a name; the message lists what there is.
    """
    wanted: set[str] = set()
    for name in names:
        if name not in DELIVERIES and name not in DELIVERY_WORDS:
            known = ", ".join((*DELIVERIES, *DELIVERY_WORDS))
            raise ValueError(f"there is no delivery {name[:80]!r}; choose from {known}")
        wanted.update(DELIVERY_WORDS.get(name, (name,)))
    return tuple(kind for kind in DELIVERIES if kind in wanted)
