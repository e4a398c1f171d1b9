"""Repairs of identity and access: sessions, organizations, service control policies, and the journal of API calls."""

from collections.abc import Callable
from typing import Any

from ministack.services import sts

from tests.sandbox.emulator import patching


def repair() -> None:
    """Apply the repairs of this module."""
    keep_sessions()


def keep_sessions() -> None:
    """Never drop an expired session.

    MiniStack does so by walking over a table that other threads write to, which fails now and then when many
    functions start at once ("dictionary changed size during iteration").
    No session of a test lives long enough to expire.
    """

    def evict(_original: Callable[[], None]) -> Callable[[], Any]:
        return lambda: None

    patching.replace(sts, "_evict_expired_sessions", evict)
