"""Imports between the files of a tree, in the languages that can be read; what leads out of the tree is no edge."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.imports import ImportGraph, import_graph

LAW = settings(deadline=None, max_examples=100)


def imported(path: str, text: str, *others: str, include_folders: tuple[str, ...] = ()) -> list[str]:
    """List what one file with this text imports, in a tree with these other files."""
    graph = import_graph({path: text}, [path, *others], include_folders=include_folders)
    return sorted(graph.imports.get(path, ()))


# --- the graph


def test_the_graph_can_be_asked_from_both_ends() -> None:
    sources = {"a.py": "import b, c", "b.py": "import c", "c.py": ""}

    graph = import_graph(sources, sources)

    assert graph.imports == {"a.py": frozenset({"b.py", "c.py"}), "b.py": frozenset({"c.py"})}
    assert graph.importers() == {"b.py": frozenset({"a.py"}), "c.py": frozenset({"a.py", "b.py"})}


def test_texts_may_be_fetched_one_by_one() -> None:
    graph = import_graph(lambda path: "import b" if path == "a.py" else None, ["a.py", "b.py"])

    assert graph.imports == {"a.py": frozenset({"b.py"})}


def test_only_sources_are_asked_for() -> None:
    asked: list[str] = []

    import_graph(asked.append, ["a.py", "b.png", "Makefile", "c.rs"])

    assert asked == ["a.py", "c.rs"]


@pytest.mark.parametrize("text", ["def f(:", "import b\0", "(" * 10_000])
def test_a_file_that_does_not_parse_has_no_imports_and_is_named(text: str) -> None:
    graph = import_graph({"a.py": f"import b\n{text}", "b.py": ""}, ["a.py", "b.py"])

    assert graph == ImportGraph(imports={}, unparsed=("a.py",))


def test_a_file_that_imports_itself_waits_for_nobody() -> None:
    assert imported("a.py", "import a") == []


# --- Python


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import pkg.a", "pkg/a.py"),
        ("import pkg.a.name", "pkg/a.py"),
        ("import pkg.sub.b as b", "pkg/sub/b.py"),
        ("from pkg import a", "pkg/a.py"),
        ("from pkg.a import name", "pkg/a.py"),
        ("from pkg import name", "pkg/__init__.py"),
        ("from pkg.sub import *", "pkg/sub/__init__.py"),
        ("from . import a", "pkg/a.py"),
        ("from . import name", "pkg/__init__.py"),
        ("from .sub.b import name", "pkg/sub/b.py"),
        ("from .. import setup", "setup.py"),
    ],
)
def test_python_names_lead_to_the_module_that_they_are_in(statement: str, expected: str) -> None:
    tree = ("pkg/__init__.py", "pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py", "setup.py")

    assert imported("pkg/main.py", statement, *tree) == [expected]


def test_one_python_statement_may_import_several_modules() -> None:
    assert imported("pkg/__init__.py", "from . import a, b, VERSION", "pkg/a.py", "pkg/b.py") == [
        "pkg/a.py",
        "pkg/b.py",
    ]


def test_a_python_import_counts_wherever_it_stands() -> None:
    text = "if True:\n    def f():\n        import b\n"

    assert imported("a.py", text, "b.py") == ["b.py"]


def test_a_module_of_a_package_does_not_stand_in_for_one_of_the_standard_library() -> None:
    assert imported("pkg/a.py", "import logging", "pkg/__init__.py", "pkg/logging.py") == []


def test_a_script_imports_what_lies_beside_it() -> None:
    assert imported("scripts/a.py", "import b", "scripts/b.py", "elsewhere/b.py") == ["scripts/b.py"]


def test_a_package_below_src_is_found_from_the_tests() -> None:
    assert imported("tests/test_a.py", "from pkg import a", "src/pkg/__init__.py", "src/pkg/a.py") == ["src/pkg/a.py"]


def test_the_only_package_of_a_name_is_found_wherever_it_lies() -> None:
    assert imported("tools/a.py", "import pkg.b", "libs/one/pkg/__init__.py", "libs/one/pkg/b.py") == [
        "libs/one/pkg/b.py"
    ]


def test_a_name_that_two_packages_have_gives_nothing() -> None:
    assert imported("tools/a.py", "import pkg", "one/pkg/__init__.py", "two/pkg/__init__.py") == []


def test_a_relative_import_above_the_tree_gives_nothing() -> None:
    assert imported("a.py", "from ... import b", "b.py") == []


@pytest.mark.filterwarnings("error")
def test_a_file_that_its_parser_would_warn_of_is_read_in_silence() -> None:
    assert imported("a.py", "import b\nx = '\\d'\n", "b.py") == ["b.py"]


# --- C and C++


def test_an_include_is_looked_for_beside_the_file_and_then_in_the_include_folders() -> None:
    tree = ("src/near.h", "include/near.h", "include/far.h")
    text = '#include "near.h"\n  # include "far.h"\n#include "nowhere.h"\n'

    assert imported("src/a.c", text, *tree, include_folders=("include",)) == ["include/far.h", "src/near.h"]


def test_an_include_in_angle_brackets_is_looked_for_in_the_include_folders_only() -> None:
    text = "#include <lib/x.hpp>\n#include <y.hpp>\n"

    assert imported(
        "a.cpp", text, "./include/lib/x.hpp", "include/lib/x.hpp", "y.hpp", include_folders=("include/",)
    ) == ["include/lib/x.hpp"]


def test_an_include_may_climb_folders() -> None:
    assert imported("src/deep/a.cc", '#include "../b.h"', "src/b.h") == ["src/b.h"]


def test_an_include_in_a_comment_or_a_string_is_none() -> None:
    text = '/*\n#include "b.h"\n*/\nchar *s = "/*";\n#include "c.h"\n// "\n#include "d.h"\n'

    assert imported("a.c", text, "b.h", "c.h", "d.h") == ["c.h", "d.h"]


# --- JavaScript and TypeScript


@pytest.mark.parametrize(
    "statement",
    [
        "import { b } from './b'",
        'import b from "./b";',
        "import type { B } from './b'",
        "import {\n  one,\n  two,\n} from './b'",
        "import './b'",
        "export * from './b'",
        "const b = require('./b')",
        "const b = await import('./b')",
        "import b = require('./b')",
    ],
)
def test_every_form_of_a_javascript_import_is_known(statement: str) -> None:
    assert imported("src/a.ts", statement, "src/b.ts") == ["src/b.ts"]


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [
        ("./b.vue", "src/b.vue"),
        ("./c", "src/c.tsx"),
        ("./folder", "src/folder/index.js"),
        ("../root", "root.js"),
        ("..", "index.ts"),
        ("./made.js", "src/made.ts"),
        ("./plain.js", "src/plain.js"),
        ("./types", "src/types.d.ts"),
    ],
)
def test_a_javascript_path_is_completed_as_the_usual_tools_do(specifier: str, expected: str) -> None:
    tree = ("src/b.vue", "src/c.tsx", "src/folder/index.js", "root.js", "index.ts", "src/made.ts", "src/plain.js")

    assert imported("src/a.ts", f"import x from '{specifier}'", *tree, "src/types.d.ts") == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "import b from 'b'",
        "// import b from './b'",
        "/* import b from './b' */",
        "const s = \"import b from './b'\"",
        "const s = `import b from './b'`",
        "Array.from('./b')",
        "import b from './elsewhere'",
        "`a template without an end\nimport b from './b'",
    ],
)
def test_what_is_no_import_of_a_file_in_the_tree_gives_nothing(text: str) -> None:
    assert imported("a.js", text, "b.js") == []


# --- Rust


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("src/lib.rs", "mod net;", ["src/net.rs"]),
        ("src/lib.rs", "pub(crate) mod store;", ["src/store/mod.rs"]),
        ("src/net.rs", "pub mod tcp;", ["src/net/tcp.rs"]),
        ("src/store/mod.rs", "mod disk;", ["src/store/disk.rs"]),
        ("src/lib.rs", '#[path = "store/disk.rs"]\nmod other;', ["src/store/disk.rs"]),
        ("tests/it.rs", "mod common;", ["tests/common/mod.rs"]),
        ("src/lib.rs", "mod tests { fn f() {} }", []),
    ],
)
def test_a_rust_module_is_found_where_the_compiler_looks_for_it(path: str, text: str, expected: list[str]) -> None:
    tree = ("src/net.rs", "src/net/tcp.rs", "src/store/mod.rs", "src/store/disk.rs", "tests/common/mod.rs")

    assert imported(path, text, "src/lib.rs", *tree) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use crate::net::tcp::Stream;", ["src/net/tcp.rs"]),
        ("use crate::net::Stream;", ["src/net.rs"]),
        ("pub use crate::Config;", ["src/lib.rs"]),
        (
            "use crate::{net::{self, tcp::{Stream, Listener}}, store::*,};",
            ["src/net.rs", "src/net/tcp.rs", "src/store.rs"],
        ),
        ("use crate::net::{\n    tcp, // the usual one\n};", ["src/net/tcp.rs"]),
        ("use crate::net as wire;", ["src/net.rs"]),
        ("use super::net::Stream;", ["src/net.rs"]),
        ("use super::Config;", ["src/lib.rs"]),
        ("use self::disk::Disk;", ["src/store/disk.rs"]),
        ("mod tests {\n    use super::*;\n}", []),
        ("use std::fmt;", []),
        ("// use crate::net;\n/* mod disk; */", []),
        ('const S: &str = "\nuse crate::net;\n";', []),
        (
            'const S: &str = r#"\nuse crate::net; "quoted"\n"#;\nconst C: char = \'"\';\nuse crate::net;',
            ["src/net.rs"],
        ),
    ],
)
def test_a_rust_use_leads_to_the_module_that_it_names(text: str, expected: list[str]) -> None:
    tree = ("src/lib.rs", "src/net.rs", "src/net/tcp.rs", "src/store/disk.rs")

    assert imported("src/store.rs", text, *tree) == [path for path in expected if path != "src/store.rs"]


def test_each_crate_of_a_workspace_has_its_own_root() -> None:
    tree = ("one/src/lib.rs", "one/src/net.rs", "two/src/main.rs", "two/src/net.rs")

    assert imported("two/src/cli.rs", "use crate::net::Stream;", *tree) == ["two/src/net.rs"]


# --- laws

names = st.sampled_from(
    ["a.py", "pkg/__init__.py", "pkg/b.py", "src/lib.rs", "src/c.rs", "d.c", "d.h", "e.ts", "f/g.js"]
)
keywords = st.sampled_from(
    ["import ", "from ", "use ", "mod ", "crate::", "super::", "self", "#include ", "require("]
)
punctuation = st.sampled_from([*"{}(),;.*\n\\\"'`", "/*", "*/", "//", 'r#"'])
targets = st.sampled_from(["a", "pkg", "b", "c", "d.h", "./e", "../"])
texts = st.lists(keywords | punctuation | targets, max_size=30).map("".join)


@LAW
@given(st.dictionaries(names, texts))
def test_whatever_the_text_edges_are_between_files_of_the_tree_and_never_to_the_file_itself(
    sources: dict[str, str],
) -> None:
    graph = import_graph(sources, sources)

    for path, others in graph.imports.items():
        assert others
        assert path not in others
        assert others <= sources.keys()
    assert not graph.imports.keys() & set(graph.unparsed)
