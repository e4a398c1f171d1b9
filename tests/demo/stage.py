"""How the demo looks: as the commands do, in colour and live in a terminal, in plain lines in a pipe."""

import time

from rich.text import Text

from cli.screen import Screen
from tests.sandbox.stacks import Event

STYLES = {"COMPLETE": "green", "IN_PROGRESS": "yellow", "FAILED": "red"}


class Stage(Screen):
    """Prints headings, events and verdicts, besides what any screen prints."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._checks: list[bool] = []

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.say()
        self.say(text, "bold cyan")

    def event(self, event: Event) -> None:
        """Show one event of a stack."""
        status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
        reason = f"  {reason}" if status.endswith("_FAILED") else ""
        style = next((style for ending, style in STYLES.items() if status.endswith(ending)), "")
        moment = f"  {time.monotonic() - self._started:5.1f} s  "
        line = Text.assemble((moment, "dim"), (f"{status:<28}", style), event["LogicalResourceId"], (reason, "red"))
        self.console.print(line, soft_wrap=True)

    def check(self, passed: bool, text: str) -> None:
        """Hold what was seen against what was promised."""
        self._checks.append(passed)
        mark, style = ("ok   ", "green") if passed else ("WRONG", "bold red")
        self.console.print(Text.assemble("  ", (mark, style), f" {text}"))

    def verdict(self) -> int:
        """Say how it went; return the exit status."""
        failed = not self._checks or not all(self._checks)
        result = f"FAILED: {self._checks.count(False)} of" if failed else "PASSED: all"
        self.say()
        text = f"{result} {len(self._checks)} checks, in {time.monotonic() - self._started:.0f} s"
        self.say(text, "bold red" if failed else "bold green")
        return int(failed)
