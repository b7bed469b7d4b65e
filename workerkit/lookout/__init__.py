"""A project as the dashboard sees it: everything it shows comes from what is recorded anyway."""

from __future__ import annotations

from .deeds import actions_on
from .looks import Lookout

__all__ = ["Lookout", "actions_on"]
