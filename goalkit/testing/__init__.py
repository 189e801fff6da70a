"""The test kit for authors of plugins: `check_backbone` checks the rules that every backbone must keep."""

from goalkit.testing.check import RULES, BackboneCheck, check_backbone

__all__ = ["RULES", "BackboneCheck", "check_backbone"]
