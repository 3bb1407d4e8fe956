"""How jobs ended, and when each end is to be told again to a device that hasn't acknowledged it.

Pure: the time comes in with each call. An end is told at once, after each of `RESEND_GAPS_S`, then every
`RESEND_EVERY_S`, for `RESEND_FOR_S` in all; `revive` starts that over.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.osc.codec import Value, escape
from bridge.osc.inbox import JobKey
from bridge.osc.protocol import BY_NAME, ERRORS, FORMS, RESEND_EVERY_S, RESEND_FOR_S, RESEND_GAPS_S

#: Ends that are remembered, acknowledged or not. Older jobs are still known to the queue.
MAX_REMEMBERED = 1024

_CODE, _TEXT = BY_NAME["job/error"].args[-2:]


@dataclass(frozen=True, slots=True)
class Ending:
    """The message that tells a job's end: ``job/result`` or ``job/error``, without token and job."""

    name: str
    values: Mapping[str, Value]


def failure(code: str, text: str = "") -> Ending:
    """The end of a job that has no result.

    Without a text it is the code's usual one. What is no code becomes ``internal``.
    """
    shown = text or (ERRORS[code].advice if code in ERRORS else "")
    known = code if len(code) <= _CODE.high and re.fullmatch(FORMS[_CODE.form].pattern, code) else "internal"
    return Ending("job/error", {"code": known or "internal", "text": escape(shown, _TEXT.high)})


@dataclass(slots=True)
class _Telling:
    ending: Ending
    since_s: float
    last_s: float = float("-inf")
    times: int = 0
    acknowledged: bool = False


class Endings:
    """The ends of jobs: the first that is added for a job is its only one."""

    def __init__(self) -> None:
        self._all: OrderedDict[JobKey, _Telling] = OrderedDict()

    def __contains__(self, key: JobKey) -> bool:
        return key in self._all

    def __len__(self) -> int:
        return len(self._all)

    def add(self, key: JobKey, ending: Ending, now_s: float) -> bool:
        """Remember how a job ended; False, and nothing changes, if that is known already."""
        if key in self._all:
            return False
        self._all[key] = _Telling(ending, now_s)
        if len(self._all) > MAX_REMEMBERED:
            self._all.popitem(last=False)
        return True

    def acknowledge(self, key: JobKey) -> None:
        """The device has it: don't tell it again by itself."""
        if key in self._all:
            self._all[key].acknowledged = True

    def unacknowledged(self, owner: str) -> Iterator[JobKey]:
        """Jobs of a device whose end it hasn't acknowledged."""
        return (key for key, telling in self._all.items() if key[0] == owner and not telling.acknowledged)

    def revive(self, key: JobKey, now_s: float) -> None:
        """Start telling over: the device said hello anew."""
        telling = self._all[key]
        telling.since_s, telling.times = now_s, 0

    def tell(self, key: JobKey, now_s: float) -> Ending | None:
        """The ending, to be sent now; None if it was just sent, or isn't remembered any more."""
        telling = self._all.get(key)
        if telling is None or now_s < telling.last_s + RESEND_GAPS_S[0]:
            return None
        telling.last_s = now_s
        telling.times += 1
        return telling.ending

    def next_s(self, key: JobKey) -> float | None:
        """When it is to be told again; None if not: acknowledged, forgotten or told long enough."""
        telling = self._all.get(key)
        if telling is None or telling.acknowledged:
            return None
        repetition = max(telling.times - 1, 0)
        gap_s = RESEND_GAPS_S[repetition] if repetition < len(RESEND_GAPS_S) else RESEND_EVERY_S
        at_s = telling.last_s + gap_s
        return at_s if at_s <= telling.since_s + RESEND_FOR_S else None
