"""The one kind of error that an operator sees, and how a command ends with it."""

import sys
from collections.abc import Callable, Sequence


class LauncherError(Exception):
    """The command cannot go on; `problems` holds one text for each cause: what, where, and the way out."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems


def exit_status(command: Callable[[], None]) -> int:
    """Run `command` and return the exit status of the process; problems go to standard error, without a traceback."""
    try:
        command()
    except LauncherError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What AWS has begun, it finishes; the same command again shows where it stands.")
        return 130
    return 0
