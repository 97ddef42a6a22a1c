"""JUnit XML of several runners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range, count_codes
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def suite(*cases: str, name: str = "shop") -> str:
    return "\n".join((f'<testsuite name="{name}">', *cases, "</testsuite>"))


def case(*results: str, name: str = "sells", stated: str = "") -> str:
    return f'<testcase classname="shop.CartTest" name="{name}" {stated}>{"".join(results)}</testcase>'


FAILURE = '<failure message="expected 1" type="AssertionError">shop/cart.py:3: AssertionError</failure>'
ERROR = '<error message="no database">shop/store.py:9: in connect</error>'


def read_one(*results: str, stated: str = "") -> Problem:
    (problem,) = read(suite(case(*results, stated=stated)).encode()).problems
    return problem


def test_a_failed_test_becomes_a_problem(sample: Sample) -> None:
    report = read(sample("pytest-networkx.xml"))

    assert (report.format, len(report.problems), report.damaged) == ("junit", 4, ())
    problem = report.problems[2]
    assert problem == Problem(
        tool="junit",
        code="AttributeError",
        path="networkx/algorithms/distance_measures.py",
        message="AttributeError: module 'numpy' has no attribute 'product'",
        range=Range(line=689),
        symbol="networkx.algorithms.tests.test_distance_measures.TestResistanceDistance.test_resistance_distance",
        related=problem.related,
    )
    assert "LdiagA_s = np.product(np.sign(LdiagA))" in problem.related[0]


def test_tests_that_passed_or_were_skipped_are_no_problems() -> None:
    report = read(suite(case(), case("<skipped message='no network'/>", name="syncs")).encode())

    assert (report.problems, report.damaged) == ((), ())


def test_the_code_is_the_exception_where_one_is_shown(sample: Sample) -> None:
    assert count_codes(read(sample("pytest-networkx.xml")).problems) == {
        "AssertionError": 1,
        "AttributeError": 1,
        "TypeError": 1,
        "failure": 1,
    }


def test_without_an_exception_failure_and_error_differ() -> None:
    assert read_one('<failure message="expected 1"/>').code == "failure"
    assert read_one('<error message="no database"/>').code == "error"


def test_the_runner_s_file_is_the_path_and_its_last_line_in_the_traceback_the_place() -> None:
    trace = "<failure message='x'>tests/cart.py:12: in test\nshop/cart.py:3: KeyError</failure>"

    problem = read_one(trace, stated='file="tests/cart.py" line="10"')

    assert (problem.path, problem.range) == ("tests/cart.py", Range(line=12))


def test_the_runner_s_line_holds_where_there_is_no_traceback() -> None:
    assert read_one(FAILURE, stated='file="tests/cart.py" line="10"').range == Range(line=10)


def test_pytest_counts_lines_from_zero() -> None:
    failed = case("<failure message='x'/>", stated='file="tests/cart.py" line="0"')

    (problem,) = read(suite(failed, name="pytest").encode()).problems

    assert problem.range == Range(line=1)


def test_the_file_of_a_suite_holds_for_its_tests() -> None:
    data = f'<testsuites><testsuite name="shop" file="spec/cart.js">{case(FAILURE)}</testsuite></testsuites>'

    assert read(data.encode()).problems[0].path == "spec/cart.js"


def test_a_test_that_names_no_place_keeps_its_name() -> None:
    problem = read_one("<failure message='expected 1'/>")

    assert (problem.path, problem.range, problem.symbol) == ("", None, "shop.CartTest.sells")


def test_suites_may_be_nested() -> None:
    data = f"<testsuites>{suite(suite(case(FAILURE)), case(ERROR, name='stores'))}</testsuites>"

    assert [problem.symbol for problem in read(data.encode()).problems] == [
        "shop.CartTest.sells",
        "shop.CartTest.stores",
    ]


def test_parameters_tell_tests_apart() -> None:
    report = read(suite(case(FAILURE, name="sells[1]"), case(FAILURE, name="sells[2]")).encode())

    assert [problem.symbol for problem in report.problems] == ["shop.CartTest.sells[1]", "shop.CartTest.sells[2]"]


def test_a_test_that_passed_in_the_end_is_no_problem() -> None:
    assert read(suite(case(FAILURE), case()).encode()).problems == ()
    assert read(suite(case("<flakyFailure message='x'/>")).encode()).problems == ()


def test_a_test_that_failed_again_is_one_problem_and_one_duplicate() -> None:
    report = read(suite(case(ERROR), case(FAILURE)).encode())

    assert [problem.message for problem in report.problems] == ["expected 1"]
    assert report.duplicates == 1
    assert len(read(suite(case(FAILURE, "<rerunFailure message='x'/>")).encode()).problems) == 1


def test_a_test_that_also_fails_to_clean_up_is_two_problems() -> None:
    teardown = """<error message='failed on teardown with "KeyError: 1"'/>"""

    report = read(suite(case(FAILURE), case(teardown)).encode())

    assert [problem.code for problem in report.problems] == ["AssertionError", "KeyError"]
    assert report.duplicates == 0
    assert read(suite(case(FAILURE), case(teardown), case()).encode()).problems == ()


def test_the_same_test_in_another_suite_is_another_test() -> None:
    data = f"<testsuites>{suite(case(FAILURE), name='linux')}{suite(case(), name='windows')}</testsuites>"

    assert len(read(data.encode()).problems) == 1


def test_a_second_result_of_a_test_is_related() -> None:
    problem = read_one(FAILURE, ERROR)

    assert problem.code == "AssertionError"
    assert problem.related == ("shop/cart.py:3: AssertionError", "shop/store.py:9: in connect")


def test_a_long_traceback_is_shortened() -> None:
    assert len(read_one(f"<failure message='x'>{'y' * 50_000}</failure>").related[0]) < 5_000


def test_a_broken_test_costs_only_itself() -> None:
    report = read(suite(case(FAILURE), "<testcase/>", case(FAILURE, name="b", stated='file="/etc/a"')).encode())

    assert len(report.problems) == 1
    assert [(damage.line, damage.reason[:12]) for damage in report.damaged] == [
        (3, "a test case "),
        (4, "/etc/a is ab"),
    ]


def test_a_report_that_was_cut_gives_its_complete_tests() -> None:
    whole = suite(case(FAILURE), case(FAILURE, name="b")).encode()

    report = read(whole[: whole.rindex(b"</failure>")])

    assert [problem.symbol for problem in report.problems] == ["shop.CartTest.sells"]
    assert [damage.line for damage in report.damaged] == [3]


def test_a_document_type_is_refused() -> None:
    with pytest.raises(ReportError, match="document type or entities, which is refused"):
        read(b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>')


def test_another_document_is_no_clean_report() -> None:
    with pytest.raises(ReportError, match="the root of the XML is <html>"):
        read(b"<html/>", format="junit")


def linted(package: str, *cases: str) -> bytes:
    opening = f'<testsuites><testsuite name="shop/cart.py" package="{package}">'
    return f"{opening}{''.join(cases)}</testsuite></testsuites>".encode()


def finding(rule: str, text: str, message: str = "`os` imported but unused") -> str:
    return f'<testcase name="{rule}" classname="shop/cart"><failure message="{message}">{text}</failure></testcase>'


def test_what_ruff_found_is_what_its_json_says() -> None:
    data = linted("org.ruff", finding("org.ruff.F401", "line 3, col 8, `os` imported but unused"))

    report = read(data)

    assert (report.format, report.tool) == ("junit", "ruff")
    assert report.problems == (
        Problem(
            tool="ruff",
            code="F401",
            path="shop/cart.py",
            message="`os` imported but unused",
            range=Range(line=3, column=8),
        ),
    )


def test_a_rule_that_a_linter_found_twice_in_a_file_is_no_retry() -> None:
    twice = [finding("org.ruff.F401", f"line {line}, col 8, unused") for line in (1, 5)]

    report = read(linted("org.ruff", *twice))

    assert ([problem.range for problem in report.problems], report.duplicates) == (
        [Range(line=1, column=8), Range(line=5, column=8)],
        0,
    )


def test_a_file_that_a_linter_names_outside_of_the_tree_costs_its_record() -> None:
    found = finding("org.ruff.F401", "line 1, col 8, unused")

    with pytest.raises(ReportError, match=r"/elsewhere/cart\.py"):
        read(linted("org.ruff", found).replace(b"shop/cart.py", b"/elsewhere/cart.py"))


def test_eslint_s_warnings_are_warnings() -> None:
    texts = ("line 1, col 5, Error - bad (semi)", "line 2, col 5, Warning - odd (semi)")

    report = read(linted("org.eslint", *(finding("org.eslint.semi", text) for text in texts)))

    assert [(problem.tool, problem.code, problem.severity) for problem in report.problems] == [
        ("eslint", "semi", "error"),
        ("eslint", "semi", "warning"),
    ]


def test_a_test_whose_package_begins_its_name_is_a_test() -> None:
    (problem,) = read(linted("shop", finding("shop.sells", "AssertionError"))).problems

    assert (problem.tool, problem.symbol, problem.path) == ("junit", "shop/cart.shop.sells", "")
