"""What learning on the phone brings to simulated users: `measure` runs the study."""

from benchmarks.personalisation.study import measure

__all__ = ["measure"]
