"""What must be listened to for a part's notes: which audio, and with which ear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.engines import Hearing, PitchTranscriber
from bridge.model import EngineId


@dataclass(frozen=True, slots=True)
class Listening:
    """What is listened to: ``mix`` or a stem, with which ear, and whether the part's share of the mix is of interest.

    Profiles with one ear hear the same, so that `profile` doesn't count.
    """

    audio: str
    ear: EngineId
    profile: str = field(compare=False)
    beside_mix: bool


def listenings(part: str, hearings: Mapping[str, Hearing], pitch: PitchTranscriber) -> tuple[Listening, ...]:
    """What must be heard for a pitched part's notes, its own audio first.

    Other audio is heard as the part listens to it that has it for its own, where one does, so that it is heard once.
    """
    own = {name: _own(name, hearing, pitch) for name, hearing in hearings.items() if name != "drums"}
    hearing = hearings[part]

    def beside(audio: str) -> Listening:
        alone = Listening(audio, pitch.ear(hearing.profile), hearing.profile, beside_mix=False)
        return next((other for other in own.values() if other.audio == audio), alone)

    return (own[part], *map(beside, hearing.beside))


def _own(part: str, hearing: Hearing, pitch: PitchTranscriber) -> Listening:
    audio = part if hearing.source == "stem" else "mix"
    return Listening(audio, pitch.ear(hearing.profile), hearing.profile, hearing.least_level_db is not None)
