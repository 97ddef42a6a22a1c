"""A post-mortem as one HTML file that needs nothing else: no network, no other file.

Charts are drawn while the file is written, as SVG, so that they are there on paper and where scripts are refused;
where scripts run, the same specifications become charts that can be asked and zoomed.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from functools import cache

from api.postmortem.cells import heading, is_numeric, spell, spell_rows
from api.postmortem.charts import charts_of
from api.postmortem.charts.chart import Chart
from api.postmortem.document import Postmortem
from domain.errors import UsageError

try:
    import jinja2
    import vl_convert
except ImportError as error:
    raise UsageError("HTML needs two more packages: pip install 'parallel-workers[html]'") from error

#: A table of a page; longer ones are cut, and say so.
ROWS_MAX = 200
#: What is seen first: the answers to these questions are hardly read as tables.
_COURSE = ("timeline", "burndown")

#: A longer table is folded away until somebody asks for it.
_ROWS_SHOWN_MAX = 20


def render_html(document: Postmortem) -> str:
    """Write the page; what comes from tools and agents is escaped.

    Raises `UsageError` on import of this module where the packages of the extra `html` are missing.
    """
    drawn: dict[str, list[Mapping[str, object]]] = {}
    for chart in charts_of(document):
        one = {"chart": chart, "drawing": _draw(chart), "spec": _as_script(chart)}
        drawn.setdefault(chart.question, []).append(one)
    script = _script()
    return _template().render(
        document=document,
        course=[one for question in _COURSE for one in drawn.pop(question, [])],
        charts=drawn,
        style=_file("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        rows_max=ROWS_MAX,
        rows_shown_max=_ROWS_SHOWN_MAX,
    )


def _draw(chart: Chart) -> str:
    """Draw a chart; Vega escapes what is in it."""
    return str(vl_convert.vegalite_to_svg(chart.spec))


def _as_script(chart: Chart) -> str:
    """Give JSON that no title can end early: none of the characters that HTML knows is in it as it is."""
    text = json.dumps(chart.spec, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _script() -> str:
    """Give the page's script with the libraries that it needs in one."""
    return str(vl_convert.javascript_bundle(_file("report.js")))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"spell": spell, "spell_rows": spell_rows, "heading": heading, "is_numeric": is_numeric}
    return environment.from_string(_file("report.html.jinja"))


def _file(name: str) -> str:
    return importlib.resources.files("api.postmortem.page").joinpath(name).read_text(encoding="utf-8")
