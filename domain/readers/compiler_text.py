"""Reader of the text of gcc and clang, of clang-tidy, and of the GNU linker that gcc starts.

    src/shop.c: In function 'sell':
    src/shop.c:7:11: warning: comparison of integer expressions of different signedness [-Wsign-compare]

Lines and columns are 1-based, columns in bytes. Everything else in such a log is talk: excerpts of the source, the
files that include one another, and what `make` and its like say of the commands they start.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from domain.problem import Problem, Severity
from domain.readers.console import NUMBER, PATH, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_SEVERITY: Mapping[str, Severity] = {"warning": "warning", "remark": "note", "note": "note"}

_KIND = r"fatal error|error|warning|remark|note|sorry, unimplemented|internal compiler error"
_LINE = re.compile(rf"{PATH}:(?P<line>{NUMBER}):(?:(?P<column>{NUMBER}):)? (?P<kind>{_KIND}): (?P<message>.+)")
# The compiler itself, which has no place: `cc1: fatal error: src/gone.c: No such file or directory`.
_PLACELESS = re.compile(
    rf"(?:\S*[/\\])?(?P<program>cc1(?:plus|obj)?|lto1|[\w-]*(?:gcc|g\+\+|clang|clang\+\+)(?:-[0-9.]+)?(?:\.exe)?): "
    rf"(?P<kind>{_KIND}): (?P<message>.+)"
)
_CODE = re.compile(r" \[(?P<code>-[Wf][^\[\]\s]*|[a-z]\w*(?:[-.]\w+)+(?:,[\w.-]+)*)\]$")
_ENCLOSING = re.compile(rf"{PATH}: (?:In|At) (?P<where>\S.*[:,])$")
_QUOTED = re.compile(
    r"[\N{LEFT SINGLE QUOTATION MARK}'`](?P<name>.+?)(?: \[with .*)?[\N{RIGHT SINGLE QUOTATION MARK}']"
)

# `/usr/bin/ld: src/a.o: in function `main':`, then `a.c:(.text+0x5): undefined reference to `missing'`.
_LINKER = r"(?:\S*\bld(?:\.\w+)?(?:\.exe)?: )?"
_IN_OBJECT = re.compile(rf"{_LINKER}(?P<object>[^\s:][^:]*\.(?:o|obj|lo)\)?): [iI]n function [`'](?P<function>.+)':$")
_LINKED = re.compile(
    rf"{_LINKER}(?P<file>(?:[A-Za-z]:(?=[\\/]))?[^\s:][^:]*):(?:(?P<line>{NUMBER}):|\([^()]*\):)+ "
    r"(?P<message>(?P<code>undefined reference|multiple definition|(?:more )?undefined references) (?:to|of) .+)"
)
_MISSING_LIBRARY = re.compile(rf"{_LINKER}(?P<message>cannot find -l.+)")
_OBJECT = re.compile(r"\.(?:o|obj|a|so|lo|dll)(?:[.0-9]*)$")
_CMAKE_FOLDER = re.compile(r"(?:^|/)CMakeFiles/[^/]+\.dir(?=/)")

_TALK = re.compile(
    r"In file included from |[0-9]+ (?:warnings?|errors?)(?: and [0-9]+ errors?)? generated\.|compilation terminated"
    r"|collect2: error: |\S*\bmake(?:\[[0-9]+\])?: |\[ *[0-9]+(?:%|/[0-9]+)\] "
    r"|(?:\S*/)?(?:[\w-]*gcc|[\w-]*g\+\+|clang(?:\+\+)?|cc|c\+\+|ar|ranlib)(?:-[0-9.]+)? "
)

# Other tools write places alike: a name that only C, C++, Objective-C, Fortran, assembler or CUDA files have, or an
# option of the compiler, is what tells these from them.
_SOURCE_NAME = (
    rb"[^\s:\"{}<>][^:\n]*\.(?:[chCHSsfFm]|cc|cpp|cxx|c\+\+|hh|hpp|hxx|h\+\+|inl|ipp|tcc|mm|cu|cuh|f90|F90|asm)"
)
_RECOGNISED = re.compile(
    rb"^(?:[A-Za-z]:(?=[\\/]))?" + _SOURCE_NAME + rb":[0-9]+:(?:[0-9]+:)? (?:fatal error|error|warning): \S"
    rb"|^[^\s:\"{}<>][^:\n]*(?<!\.py)(?<!\.pyi):[0-9]+:[0-9]+: (?:error|warning): [^\n]+ \[-W[\w,=+-]+\]\r?$"
    rb"|^(?:\S*\bld: )?[^\s:\"{}<>][^:\n]*:(?:[0-9]+:|\(\.[^()\n]*\):) undefined reference to ",
    re.MULTILINE,
)


class _Log:
    """The state of reading: what encloses the next place."""

    def __init__(self, gathering: Gathering, tree: Tree) -> None:
        self._gathering = gathering
        self._tree = tree
        #: A file, and the function of it that the compiler named last.
        self._enclosing = ("", "")
        #: An object file, and the function of it that the linker named last.
        self._linked = ("", "")

    def take(self, _number: int, line: str) -> bool:
        if line.startswith((" ", "\t")):
            return False
        stated = _LINE.fullmatch(line)
        if stated:
            self._diagnose(stated)
            return True
        return self._link(line) or self._enclose(line) or self._placeless(line) or _TALK.match(line) is not None

    def _diagnose(self, stated: re.Match[str]) -> None:
        path, kind = stated["path"], stated["kind"]
        if kind == "note":
            where = ":".join(part for part in (path, stated["line"], stated["column"]) if part)
            self._gathering.attach(f"{stated['message']} ({where})")
            return
        self._gathering.add(self._problem(stated, self._tree.place(path), self._symbol_in(path)))

    def _problem(self, stated: re.Match[str], path: str, symbol: str) -> Problem:
        """Make a problem of a line; its place and symbol are left out where the line names none."""
        groups, kind, message = stated.groupdict(), stated["kind"], stated["message"]
        code = _CODE.search(message)
        line, column = groups.get("line"), groups.get("column")
        share = self._gathering.share
        return Problem(
            tool="gcc",
            message=share(message[: code.start()] if code else message),
            path=path,
            code=share(_option(code["code"]) if code else kind),
            severity=_SEVERITY.get(kind, "error"),
            range=span(int(line) if line else None, int(column) if column else None, unit="byte"),
            symbol=symbol,
        )

    def _placeless(self, line: str) -> bool:
        stated = _PLACELESS.fullmatch(line)
        if stated and stated["kind"] != "note":
            self._gathering.add(self._problem(stated, "", ""))
        return stated is not None

    def _symbol_in(self, path: str) -> str:
        return self._enclosing[1] if self._enclosing[0] == path else ""

    def _enclose(self, line: str) -> bool:
        enclosing = _ENCLOSING.fullmatch(line)
        if enclosing:
            name = _QUOTED.search(enclosing["where"])
            self._enclosing = (enclosing["path"], self._gathering.share(name["name"]) if name else "")
        return enclosing is not None

    def _link(self, line: str) -> bool:
        opened = _IN_OBJECT.fullmatch(line)
        if opened:
            self._linked = (opened["object"], opened["function"])
            return True
        failed = _LINKED.fullmatch(line) or _MISSING_LIBRARY.fullmatch(line)
        if failed:
            self._add_link_failure(failed.groupdict())
        return failed is not None

    def _add_link_failure(self, failed: Mapping[str, str | None]) -> None:
        file, line = failed.get("file") or "", failed.get("line")
        message, _, other_place = (failed["message"] or "").partition("; ")
        problem = Problem(
            tool="gcc",
            message=message,
            path=self._tree.place(file if line else self._compiled(file)),
            code=failed.get("code") or "error",
            range=span(int(line)) if line else None,
            related=(other_place,) if other_place else (),
            symbol="" if not file or _OBJECT.search(file) else self._linked[1],
        )
        self._gathering.add(problem, apart=self._linked)

    def _compiled(self, file: str) -> str:
        """Tell the path of a source file of which the linker knows the name: its object file lies beside it.

        It is "" for an object file in no folder of the tree, as the compiler makes them where it links at once.
        """
        if _OBJECT.search(file) or posixpath.isabs(self._linked[0]) or not self._linked[0]:
            return ""
        folder = _CMAKE_FOLDER.sub("", posixpath.dirname(self._linked[0]))
        return posixpath.join(folder.lstrip("/"), file)


def _option(code: str) -> str:
    # clang names the option that makes it an error, too: `-Werror,-Wunused-variable`.
    return code.removeprefix("-Werror,")


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what gcc, clang or the linker wrote.

    Code is the option that switches a warning on and off, or else the kind: `error`, `fatal error`; for the linker
    `undefined reference` or `multiple definition`. The symbol is the function that the compiler names before the
    line. Notes go to the problem before them. What is said of a header in every unit that includes it is one problem,
    and duplicates.
    """
    gathering = Gathering("gcc-text", tool="gcc")
    take_lines(source, gathering, _Log(gathering, tree).take)
    return gathering.report()
