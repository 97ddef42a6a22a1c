"""Which function or class encloses a line, told by the source where the tool does not tell it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

# What the parser takes for the end of a line.
_LINE_END = re.compile(r"\r\n?|\n")
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def enclosing_symbols(source_text: str, language: str) -> tuple[str, ...]:
    """Tell for each line of a source, the first line first, the dotted name of the innermost scope around it.

    The scope of line `n` is at `n - 1`: `Class.method`, or "" outside of all definitions. A decorator belongs to
    what it decorates. Only "python" is known; for other languages, and for a text that cannot be parsed, the answer
    is empty.
    """
    if language != "python":
        return ()
    try:
        with warnings.catch_warnings():
            # What the parser thinks of the source's escape sequences is not asked here.
            warnings.simplefilter("ignore")
            tree = ast.parse(source_text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    scopes = [""] * (len(_LINE_END.findall(source_text)) + 1)
    for name, first, last in _scopes(tree):
        scopes[first - 1 : last] = [name] * (last - first + 1)
    return tuple(scopes)


def _scopes(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Yield the dotted name of each definition with its first and last line, the outer before the inner."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, around = waiting.pop()
        name = around
        if isinstance(node, _Definition):
            name = f"{around}.{node.name}" if around else node.name
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield name, first, node.end_lineno or node.lineno
        waiting.extend((child, name) for child in ast.iter_child_nodes(node))
