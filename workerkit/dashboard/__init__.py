"""The page that shows a whole project; what it shows and does is handed to it."""

from __future__ import annotations

from .access import Access
from .app import dashboard_app
from .model import Actions, Looks
from .server import Dashboard

__all__ = ["Access", "Actions", "Dashboard", "Looks", "dashboard_app"]
