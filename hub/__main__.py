"""`python -m hub` is the command `hub`."""

from __future__ import annotations

from hub.cli import app

app()
