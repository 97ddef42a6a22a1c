"""Which file of the tree imports which, read from the text of the sources.

Only what points to another file of the tree counts: nobody mends the standard library. An edge too many holds up work
that could run at once, so what is not plain (a computed path, a name that several folders could mean) gives none.

Python is read by its own parser. The other languages are read by regular expressions that know comments and strings,
and see nothing of what a preprocessor or macro makes. A string without an end takes in the rest of the line or file,
so that the time is linear in the text.

Paths are relative to the root of the tree, with forward slashes.
"""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

#: A dotted name, taken apart: `a.b` or `a::b`.
_Parts = Sequence[str]
#: More parts than the path of any file has folders; bounds the work on a text that is no source.
_PARTS_MAX = 64
_Reader = Callable[[str, str], Iterable[str] | None]


class ImportGraph(msgspec.Struct, frozen=True, kw_only=True):
    """Imports between the files of one tree."""

    #: By importing file, the files that it imports, never itself; a file that imports none is left out.
    imports: dict[str, frozenset[str]] = {}
    #: Files that do not parse, and whose imports are therefore not known; ascending.
    unparsed: tuple[str, ...] = ()

    def importers(self) -> dict[str, frozenset[str]]:
        """Turn the graph around: by imported file, the files that import it."""
        turned: defaultdict[str, set[str]] = defaultdict(set)
        for path, imported in self.imports.items():
            for other in imported:
                turned[other].add(path)
        return {path: frozenset(importing) for path, importing in turned.items()}


def import_graph(
    sources: Mapping[str, str] | Callable[[str], str | None],
    files: Iterable[str],
    *,
    include_folders: Sequence[str] = (),
) -> ImportGraph:
    """Find the imports between files.

    `sources` gives the text of a file, or nothing for one that is not to be looked at; `files` are all files of the
    tree, which imports are resolved against; `include_folders` are those of a C compiler's `-I`, in its order.
    """
    tree = frozenset(files)
    text_of = sources.get if isinstance(sources, Mapping) else sources
    readers = _readers(tree, include_folders)
    imports: dict[str, frozenset[str]] = {}
    unparsed: list[str] = []
    for path in sorted(tree):
        reader = readers.get(posixpath.splitext(path)[1].lower())
        text = text_of(path) if reader else None
        if reader is None or text is None:
            continue
        found = reader(path, text)
        if found is None:
            unparsed.append(path)
        elif others := frozenset(found) - {path}:
            imports[path] = others
    return ImportGraph(imports=imports, unparsed=tuple(unparsed))


def _readers(tree: frozenset[str], include_folders: Sequence[str]) -> dict[str, _Reader]:
    languages: list[tuple[str, _Reader]] = [
        (".py .pyi", _Python(tree).imports),
        (".c .h .cc .hh .cpp .hpp .cxx .hxx .c++ .h++ .inl .ipp .m .mm .cu .cuh", _C(tree, include_folders).imports),
        (".js .jsx .mjs .cjs .ts .tsx .mts .cts", _JavaScript(tree).imports),
        (".rs", _Rust(tree).imports),
    ]
    return {suffix: reader for suffixes, reader in languages for suffix in suffixes.split()}


def ancestors(folder: str) -> Iterator[str]:
    """Yield a folder and those above it, up to the root of the tree."""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _joined(folder: str, path: str) -> str:
    normal = posixpath.normpath(posixpath.join(folder, path))
    return "" if normal == "." else normal


class _Python:
    """`import a.b`, `from a import b`, `from . import b`.

    An absolute name is looked up from the folder above the outermost package (as mypy and pytest name modules) and
    those above it, then in `src` (the "src layout" of the Python Packaging User Guide), then wherever the tree has
    just one package of that name.
    """

    def __init__(self, tree: frozenset[str]) -> None:
        self._tree = tree
        self._homes: defaultdict[str, set[str]] = defaultdict(set)
        for path in tree:
            if posixpath.basename(path) == "__init__.py":
                package = posixpath.dirname(path)
                root = self._root(package)
                self._homes[package[len(root) :].strip("/").partition("/")[0]].add(root)

    def imports(self, path: str, text: str) -> list[str] | None:
        try:
            with warnings.catch_warnings(action="ignore"):
                module = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            # The last three: a null byte, or nesting that is too deep for the parser.
            return None
        found: set[str | None] = set()
        for node in ast.walk(module):
            if isinstance(node, ast.Import):
                found.update(self._absolute(path, alias.name.split(".")) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module.split(".") if node.module else []
                for alias in node.names:
                    name = [*base, alias.name]
                    found.add(self._relative(path, node.level, name) if node.level else self._absolute(path, name))
        return [other for other in found if other]

    def _root(self, folder: str) -> str:
        while f"{folder}/__init__.py" in self._tree:
            folder = posixpath.dirname(folder)
        return folder

    def _absolute(self, path: str, name: _Parts) -> str | None:
        homes = self._homes.get(name[0], ())
        only = homes if len(homes) == 1 else ()
        for root in (*ancestors(self._root(posixpath.dirname(path))), "src", *only):
            if found := self._deepest(root, name, 1):
                return found
        return None

    def _relative(self, path: str, level: int, name: _Parts) -> str | None:
        folders = list(ancestors(posixpath.dirname(path)))
        return self._deepest(folders[level - 1], name, 0) if level <= len(folders) else None

    def _deepest(self, root: str, name: _Parts, shortest: int) -> str | None:
        """Find the module that the name leads to; what is left of it are names inside of the module."""
        for length in range(min(len(name), _PARTS_MAX), shortest - 1, -1):
            base = posixpath.join(root, *name[:length])
            for candidate in (posixpath.join(base, "__init__.py"), f"{base}.py", f"{base}.pyi"):
                if candidate in self._tree:
                    return candidate
        return None


class _C:
    """`#include "x"`: beside the including file, then in the include folders; `#include <x>`: only in these."""

    _TOKENS = re.compile(
        r'^[ \t]*\#[ \t]*(?:include|include_next|import)[ \t]*(?:"(?P<beside>[^"\n]+)"|<(?P<system>[^>\n]+)>)'
        r"|/\*.*?(?:\*/|\Z)|//[^\n]*"
        r'|"(?:\\.|[^"\\\n])*+"?',
        re.MULTILINE | re.DOTALL,
    )

    def __init__(self, tree: frozenset[str], include_folders: Sequence[str]) -> None:
        self._tree = tree
        self._include_folders = tuple(_joined("", folder) for folder in include_folders)

    def imports(self, path: str, text: str) -> Iterator[str]:
        for token in self._TOKENS.finditer(text):
            if beside := token["beside"]:
                yield from self._first((posixpath.dirname(path), *self._include_folders), beside)
            elif system := token["system"]:
                yield from self._first(self._include_folders, system)

    def _first(self, folders: Sequence[str], name: str) -> list[str]:
        candidates = (_joined(folder, name) for folder in folders)
        return [candidate for candidate in candidates if candidate in self._tree][:1]


class _JavaScript:
    """`import ... from './x'`, `export ... from './x'`, `import('./x')`, `require('./x')`.

    A path may leave out the extension or name a folder with an index file; a `.js` may stand for the `.ts` that it is
    made from (the TypeScript handbook, "File extension substitution"). Names of packages and aliases give nothing.
    """

    _TOKENS = re.compile(
        r"(?<![\w$.])(?:from\s*+|import\s*+(?:\(\s*+)?|require\s*+\(\s*+)(?P<quote>['\"])(?P<path>\.[^'\"\n]*)(?P=quote)"
        r"|/\*.*?(?:\*/|\Z)|//[^\n]*"
        r"|'(?:\\.|[^'\\\n])*+'?|\"(?:\\.|[^\"\\\n])*+\"?|`(?:\\.|[^`\\])*+`?",
        re.DOTALL,
    )
    _EXTENSIONS = (".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
    _MADE_FROM: Mapping[str, tuple[str, ...]] = {
        ".js": (".ts", ".tsx", ".d.ts"),
        ".jsx": (".tsx",),
        ".mjs": (".mts",),
        ".cjs": (".cts",),
    }

    def __init__(self, tree: frozenset[str]) -> None:
        self._tree = tree

    def imports(self, path: str, text: str) -> Iterator[str]:
        for token in self._TOKENS.finditer(text):
            if token["path"]:
                base = _joined(posixpath.dirname(path), token["path"])
                found = next((candidate for candidate in self._candidates(base) if candidate in self._tree), None)
                if found is not None:
                    yield found

    def _candidates(self, base: str) -> Iterator[str]:
        stem, extension = posixpath.splitext(base)
        yield from (stem + source for source in self._MADE_FROM.get(extension, ()))
        yield base
        yield from (base + extension for extension in self._EXTENSIONS)
        yield from (posixpath.join(base, f"index{extension}") for extension in self._EXTENSIONS)


class _Rust:
    """`mod x;`, `use crate::a::b`, and at the start of a line `use self::` and `use super::`.

    An indented `super` is most often that of an inner `mod tests`, and means the file itself. Folders are laid out as
    in the Rust Reference, "Module source filenames".
    """

    _VISIBLE = r"(?:pub(?:\([^)\n]{0,200}\))?\s+)?"
    _TOKENS = re.compile(
        rf"(?:\#\[path\s*=\s*\"(?P<at>[^\"\n]+)\"\]\s*)?\b{_VISIBLE}mod\s+(?:r\#)?(?P<mod>\w+)\s*;"
        rf"|^(?P<indent>[ \t]*){_VISIBLE}use\s+(?P<use>[^;]++)(?:;|\Z)"
        r"|/\*.*?(?:\*/|\Z)|//[^\n]*"
        r"|r(?P<hashes>\#*+)\".*?(?:\"(?P=hashes)|\Z)|\"(?:\\.|[^\"\\])*+\"?|'(?:\\.|[^'\\])'",
        re.MULTILINE | re.DOTALL,
    )
    _COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
    _ROOTS = ("lib.rs", "main.rs")

    def __init__(self, tree: frozenset[str]) -> None:
        self._tree = tree

    def imports(self, path: str, text: str) -> Iterator[str]:
        for token in self._TOKENS.finditer(text):
            if token["mod"]:
                yield from filter(None, [self._module(path, token["mod"], token["at"])])
            elif token["use"]:
                words = re.findall(r"\w+|[{},]", self._COMMENT.sub(" ", token["use"]).replace("r#", ""))
                used = (self._used(path, name, indented=bool(token["indent"])) for name in _use_paths(words))
                yield from filter(None, used)

    def _module(self, path: str, name: str, at: str | None) -> str | None:
        folder = posixpath.dirname(path)
        if at is not None:
            explicit = _joined(folder, at)
            return explicit if explicit in self._tree else None
        # Beside the file as well: any file may be the root of a program or test of its own.
        return self._deepest(_children(path), (name,), 1) or self._deepest(folder, (name,), 1)

    def _used(self, path: str, name: _Parts, *, indented: bool) -> str | None:
        if name[0] == "crate":
            root = self._crate(path)
            return self._deepest(posixpath.dirname(root), name[1:], 1) or root
        folder = _children(path)
        if indented or name[0] not in ("self", "super"):
            return None
        while name and name[0] in ("self", "super"):
            folder = posixpath.dirname(folder) if name[0] == "super" else folder
            name = name[1:]
        return self._deepest(folder, name, 0)

    def _crate(self, path: str) -> str:
        """Find the root of the crate that a file belongs to: itself, where no folder above has one."""
        for folder in ancestors(posixpath.dirname(path)):
            for root in self._ROOTS:
                if (candidate := posixpath.join(folder, root)) in self._tree:
                    return candidate
        return path

    def _deepest(self, folder: str, name: _Parts, shortest: int) -> str | None:
        for length in range(min(len(name), _PARTS_MAX), shortest - 1, -1):
            base = posixpath.join(folder, *name[:length])
            files = ("mod.rs", *self._ROOTS) if length == 0 else ("mod.rs",)
            for candidate in (f"{base}.rs", *(posixpath.join(base, file) for file in files)):
                if candidate in self._tree:
                    return candidate
        return None


def _children(path: str) -> str:
    """Name the folder that holds the modules below the one in this file."""
    folder, file = posixpath.split(path)
    return folder if file in ("mod.rs", "lib.rs", "main.rs") else posixpath.join(folder, posixpath.splitext(file)[0])


def _use_paths(words: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Spell out a tree of uses: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`."""
    prefixes: list[tuple[str, ...]] = [()]
    path: tuple[str, ...] = ()
    for word in (*words, ","):
        if word == "{":
            prefixes.append(path)
        elif word in (",", "}"):
            if len(path) > len(prefixes[-1]):
                yield path
            if word == "}" and len(prefixes) > 1:
                prefixes.pop()
            path = prefixes[-1]
        else:
            path = (*path, word)[:_PARTS_MAX]
