"""What a ledger's history says about the work at hand."""

from __future__ import annotations

import msgspec

from domain.analysis.co_change import CoChange
from domain.effort import Calibration


class Experience(msgspec.Struct, frozen=True, kw_only=True):
    """Neutral where there is no history."""

    #: How long this kind of worker takes beside what was estimated.
    calibration: Calibration = Calibration()
    #: Which files of this repository change together.
    co_change: CoChange = CoChange()
