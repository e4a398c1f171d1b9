"""To come."""


def repair() -> None:
    """Apply the repairs of this module."""
