"""Every message that somebody can act on is found in TROUBLESHOOTING.md by its first words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.docs.tables import ROOT

MOST_WORDS: Final = 5
"""So many tell a message from the others."""
FEWEST_WORDS: Final = 3
"""Of a text that counts as a message. A clause that has as many ends the first words."""
VALUE: Final = "..."
"""Stands for what a message is given: names, numbers, ids."""
SOURCE: Final = sorted((ROOT / "source").rglob("*.py"))
WITHOUT_MESSAGES: Final = frozenset({"coverage/page.py", "probe/questions.py", "probe/report.py"})
"""What these write is a page of its own, which explains itself."""

NOTHING_TO_DO: Final = frozenset(
    {
        # What is printed while all is well, or asks.
        *("checking: the function is at", "All connections stay in Falcon", "The connections that the stack"),
        *("EVERY ECR connection of the", "The stack ... is deleted", "This deletes the function"),
        *("setting ...=...: a stack deletes", "The bucket with the packages", "This deletes the bucket with"),
        *("This deletes the shared secret", "DELETE_BUCKET=1 deletes it", "This deletes the stack ..."),
        *(": there was nothing to", "does not exist", "... ... attention"),
        *("The stack ... is up", "... to make", "Nothing to do"),
        *("... connected, and nothing is", "Nothing was to be repaired", "built from this checkout"),
        *("is there already", "deleting the bucket ...", "Falcon has our connection", "(without an alias)"),
        *("checking the organization", "stack set ... (account ...", "management account ..."),
        *("the shared secret is ...", "Falcon client ... (not shown)", "Setting up ..."),
        *("Falcon does not answer yet", "the stack ... of the", "What needs attention most"),
        *("the shared secret is deleted", "This deletes the stack set", "Next: make status", "the stack set ... is"),
        *("the stack set ... changes", "the bucket is deleted", "Taking out suspended accounts", "... ... covered"),
        *("Registers the Amazon ECR registries", "new accounts are covered by", "Waiting for an operation that"),
        *("as it should be already", "Type ... to go on", "deleting what is left of", "This asks the Falcon tenant"),
        *(", and with ROLE_ARN", "Removed ... connections that an", "WHAT IS WRONG"),
        # Parts of a message whose beginning, or whose cause, is found.
        *("Each Region: make status", ", made by somebody else...", "those named in REGIONS"),
        *("the Regions seen in Falcon", "it follows from the package", "export ..., which no list"),
        *("Did you mean ...?", "--stack-name ... --region ...", "cut to ... characters", "all of them"),
        *("..., ... of ... are", "it is of format ...", "this package did not write", "every enabled Region"),
        *("the cloud behind FalconApiUrl", "... Falcon Container Image", "Reading the stack's record"),
        *("Writing the stack's record", "Deleting the stack's record", "Reading the secret"),
        *("Listing connections in Falcon",),
        # Why something was done or left, where nothing is wrong.
        *("a connection for this registry", "it was made", "it was made by a", "this stack made it"),
        *("Falcon says that its credential", "the stack is deleted", "not in Regions", "not known before the first"),
        *("created by this stack", "adopted by this stack", "managed by another stack", "without the mark of a"),
        *("a resource that is not", "responded to CloudFormation", "the Delete is about an"),
        # What AWS and Falcon say, by which they are understood, and what goes into files.
        *("Unable to locate credentials", "marked for deletion", "Access to KMS", "default KMS service key"),
        *("resource-based policy", "failed to validate registry credential", "scope not permitted"),
        *("No updates are to be", r"Received response status \[FAILED\] from", "The function is under the"),
        *("Build the Lambda package", "describe the package that is", "also from what could not"),
        *("... ## Check what you", "... LambdaPackage: Version", r"^ LambdaPackage:\n Version"),
    }
)


def first_words(text: str) -> str:
    """Return the first words of a message."""
    words: list[str] = []
    for word in re.sub(r"\.{3,}", VALUE, text.replace("`", "")).split()[:MOST_WORDS]:
        words.append(word)
        if len(words) >= FEWEST_WORDS and word[-1] in ".,:;" and not word.endswith(VALUE):
            break
    return re.sub(r"(?<!\.)\.$|[,:;]+$", "", " ".join(words))


def texts(path: Path) -> Iterator[str]:
    """Yield each text of a module, with `...` for the values in it. Docstrings are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    composed = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    skipped |= {id(part) for node in composed for part in node.values}
    for node in ast.walk(tree):
        if id(node) not in skipped and (text := _text(node)) is not None:
            yield text


def _text(node: ast.AST) -> str | None:
    """Return the text that a node stands for, if it is one."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return None


def rows(page: str) -> list[str]:
    """Return the messages in the first column of a page's tables."""
    cells = re.findall(r"^\|([^|]*)\|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [message for cell in cells for message in re.findall(r"`([^`]*)`", cell)]


def is_message(text: str) -> bool:
    return " " in text.strip() and len(re.findall(r"[A-Za-z']{2,}", text)) >= FEWEST_WORDS


def in_source() -> set[str]:
    """Return the first words of every message."""
    found = set()
    for path in SOURCE:
        # The help of the variables is not a message; the one that an interruption prints is in the page.
        of_help = path.match("cli/__main__.py") or any(path.match(name) for name in WITHOUT_MESSAGES)
        found |= set() if of_help else {first_words(text) for text in texts(path) if is_message(text)}
    return {text for text in found if not text.startswith("ResourceLogicalId")}


def test_every_message_is_found_by_its_first_words_and_nothing_is_left_out_that_no_program_prints() -> None:
    page, printed = "\n".join(rows("TROUBLESHOOTING.md")), in_source()

    assert [text for text in sorted(printed - NOTHING_TO_DO) if text not in page] == []
    assert sorted(NOTHING_TO_DO - printed) == []


def test_every_row_is_a_message_of_the_source() -> None:
    printed = "\n".join(" ".join(text.split()) for path in SOURCE for text in texts(path))
    printed += (ROOT / "Makefile").read_text(encoding="utf-8")

    def is_printed(row: str) -> bool:
        return all(piece.strip(" .,:()=#") in printed for piece in row.split(VALUE))

    assert [row for row in rows("TROUBLESHOOTING.md") if not is_printed(row)] == []


def test_the_most_common_messages_are_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(
        r"`([^`]*)`", "".join(re.findall(r"^\|([^|]*)\|", readme.partition("| What is printed |")[2], re.MULTILINE))
    )

    assert len(shown) >= 10
    assert [row for row in shown if row.rstrip(" .,") not in "\n".join(rows("TROUBLESHOOTING.md"))] == []
