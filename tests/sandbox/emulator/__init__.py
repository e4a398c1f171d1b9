"""MiniStack, repaired: the process behind `tests.sandbox.local_aws.LocalAws`. See README.md."""

from importlib.metadata import version

PINNED_VERSION = "1.5.33"


def require_pinned_version() -> None:
    """Refuse to repair a version of MiniStack that the repairs were not written for."""
    if (installed := version("ministack")) != PINNED_VERSION:
        raise SystemExit(
            f"The repairs in tests/sandbox/emulator are written for ministack=={PINNED_VERSION}, but {installed} is"
            " installed. Check each of them against the new version, run tests/sandbox, and move the pin."
        )
