"""Benefits and costs of learning on the phone for simulated users: `measure` runs the study."""

from benchmarks.personalisation.study import measure

__all__ = ["measure"]
