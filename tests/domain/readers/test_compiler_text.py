"""The text of gcc, clang and the linker."""

from __future__ import annotations

from domain.problem import Problem, Range, count_codes
from domain.readers.reading import read

GCC = """\
make[1]: Entering directory '/home/me/shop'
gcc -Wall -c src/shop.c -o src/shop.o
In file included from src/shop.c:1:
src/shop.h: In function \N{LEFT SINGLE QUOTATION MARK}price\N{RIGHT SINGLE QUOTATION MARK}:
src/shop.h:1:55: warning: division by zero [-Wdiv-by-zero]
    1 | static inline int price(int n) { return n / 0; }
      |                                           ^
src/shop.c: In function \N{LEFT SINGLE QUOTATION MARK}count\N{RIGHT SINGLE QUOTATION MARK}:
src/shop.c:2:22: warning: division by zero [-Wdiv-by-zero]
    2 | #define HALF(x) ((x) / 0)
      |                      ^
src/shop.c:9:12: note: in expansion of macro 'HALF'
    9 |     return HALF(u);
      |            ^~~~
src/shop.c:11:26: error: 'unknwn' undeclared (first use in this function)
src/shop.c: At top level:
src/shop.c:4:12: warning: 'sell' defined but not used [-Wunused-function]
""".encode()
LINKER = b"""\
/usr/bin/ld: src/shop.o: in function `main':
shop.c:(.text+0x7b): undefined reference to `missing'
/usr/bin/ld: src/till.o: in function `main':
till.c:(.text+0x6c): multiple definition of `main'; src/shop.o:shop.c:(.text+0x6c): first defined here
collect2: error: ld returned 1 exit status
"""


def test_a_warning_has_its_option_as_code_and_the_enclosing_function_as_symbol() -> None:
    assert read(GCC).problems[0] == Problem(
        tool="gcc",
        message="division by zero",
        path="src/shop.h",
        code="-Wdiv-by-zero",
        severity="warning",
        range=Range(line=1, column=55, column_unit="byte"),
        symbol="price",
    )


def test_excerpts_includes_and_the_talk_of_make_are_no_problems() -> None:
    report = read(GCC)

    assert count_codes(report.problems) == {"-Wdiv-by-zero": 2, "-Wunused-function": 1, "error": 1}
    assert report.damaged == ()


def test_a_function_counts_until_the_compiler_names_another_scope() -> None:
    assert [problem.symbol for problem in read(GCC).problems] == ["price", "count", "count", ""]


def test_a_note_goes_to_the_problem_before_it() -> None:
    assert [problem.related for problem in read(GCC).problems] == [
        (),
        ("in expansion of macro 'HALF' (src/shop.c:9:12)",),
        (),
        (),
    ]


def test_an_error_has_its_kind_as_code() -> None:
    (problem,) = read(b"src/n.c:1:10: fatal error: none.h: No such file or directory\n").problems

    assert (problem.code, problem.message) == ("fatal error", "none.h: No such file or directory")


def test_an_error_of_the_compiler_itself_has_no_place() -> None:
    text = b"cc1: fatal error: src/gone.c: No such file or directory\ncompilation terminated.\n"

    (problem,) = read(text, format="gcc-text").problems

    assert (problem.path, problem.message) == ("", "src/gone.c: No such file or directory")


def test_what_is_said_of_a_header_in_every_unit_is_one_problem() -> None:
    report = read(GCC + GCC)

    assert (len(report.problems), report.duplicates) == (4, 4)


def test_clang_names_the_option_that_makes_a_warning_an_error_too() -> None:
    text = b"a.c:3:9: error: unused variable 'n' [-Werror,-Wunused-variable]\n1 error generated.\n"

    (problem,) = read(text).problems

    assert (problem.code, problem.severity) == ("-Wunused-variable", "error")


def test_a_check_of_clang_tidy_is_a_code() -> None:
    (problem,) = read(b"/r/a.cpp:3:9: warning: 7 is a magic number [readability-magic-numbers]\n", root="/r").problems

    assert (problem.path, problem.code) == ("a.cpp", "readability-magic-numbers")


def test_brackets_at_the_end_of_a_message_need_not_hold_a_code() -> None:
    (problem,) = read(b"a.cpp:3:9: error: no match for 'operator[]' in 'v[0]' [with T = int]\n").problems

    assert problem.message.endswith("[with T = int]")


def test_what_the_linker_misses_belongs_to_the_source_beside_the_object_file() -> None:
    missing, twice = read(LINKER).problems

    assert (missing.code, missing.path, missing.symbol) == ("undefined reference", "src/shop.c", "main")
    assert missing.message == "undefined reference to `missing'"
    assert (twice.code, twice.path) == ("multiple definition", "src/till.c")
    assert twice.related == ("src/shop.o:shop.c:(.text+0x6c): first defined here",)


def test_older_linkers_write_as_the_compiler_does() -> None:
    text = b"src/shop.o: In function `main':\nshop.c:(.text+0x7b): undefined reference to `missing'\n"

    assert (read(text).problems[0].path, read(text).problems[0].symbol) == ("src/shop.c", "main")


def test_an_object_file_of_cmake_lies_in_a_folder_of_its_own() -> None:
    text = LINKER.replace(b" src/shop.o", b" CMakeFiles/app.dir/src/shop.c.o")

    assert read(text).problems[0].path == "src/shop.c"


def test_an_object_file_that_was_only_made_to_be_linked_tells_no_folder() -> None:
    assert read(LINKER.replace(b" src/shop.o", b" /tmp/ccRuYR0O.o")).problems[0].path == ""


def test_with_debug_information_the_linker_knows_path_and_line() -> None:
    text = b"/usr/bin/ld: src/shop.o: in function `main':\n/r/src/shop.c:12: undefined reference to `missing'\n"

    (problem,) = read(text, root="/r").problems

    assert (problem.path, problem.range) == ("src/shop.c", Range(line=12))


def test_a_header_of_the_system_is_damage_and_its_notes_go_nowhere() -> None:
    outside = b"/usr/include/stdio.h:3:1: warning: padded [-Wpadded]\n/usr/include/stdio.h:4:1: note: here\n"

    report = read(GCC + outside, root="/home/me/shop")

    assert [damage.line for damage in report.damaged] == [18]
    assert report.problems[-1].related == ()


def test_a_run_of_make_without_a_word_of_the_compiler_is_clean() -> None:
    text = b"make[1]: Entering directory '/home/me/shop'\ngcc -Wall -c src/shop.c -o src/shop.o\n"

    assert read(text, format="gcc-text").problems == ()
