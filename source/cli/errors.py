"""The one kind of error that an operator sees."""


class CliError(Exception):
    """The command cannot go on; `problems` holds one text for each cause: what, where, and the remedy."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class AttentionError(CliError):
    """The command did its work, and what it found needs attention. It has been printed already."""


class UnansweredError(CliError):
    """Falcon could not be asked from here."""
