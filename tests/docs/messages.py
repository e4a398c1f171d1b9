"""The messages in the source, by their first words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MOST_WORDS: Final = 5
"""So many tell a message from the others."""
FEWEST_WORDS: Final = 3
"""Of a text that counts as a message. A clause that has as many ends the first words."""
VALUE: Final = "..."
"""Stands for what a message is given: names, numbers, ids."""


def first_words(text: str) -> str:
    """Return the first words of a message."""
    words: list[str] = []
    for word in re.sub(r"\.{3,}", VALUE, text.replace("`", "")).split()[:MOST_WORDS]:
        words.append(word)
        if len(words) >= FEWEST_WORDS and word[-1] in ".,:;" and not word.endswith(VALUE):
            break
    return re.sub(r"(?<!\.)\.$|[,:;]+$", "", " ".join(words))


def messages(path: Path) -> Iterator[str]:
    """Yield each text of a module that is long enough to be a message."""
    return filter(_is_message, texts(path))


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


def _is_message(text: str) -> bool:
    return " " in text.strip() and len(re.findall(r"[A-Za-z']{2,}", text)) >= FEWEST_WORDS
