"""The HTML page, read by a real browser: hostile texts, missing parts, narrow and wide windows."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from test_formats import Report, empty_report, error_report, example_report, made_batch, made_trend

from sluicegate.page import render_page

CHROMIUM = next(
    filter(
        None,
        (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")),
    ),
    None,
)
needs_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH"
)

MARKUP = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    "</style></title></svg><iframe src=javascript:alert(1)></iframe>{{ 7 * 7 }}"
    "' onmouseover='x\" onfocus=\"x &lt;b&gt; http://evil.example/x.js"
)
UNSEEN = "\u202egnp.exe\x00\ud800 "
HOSTILE = f"{MARKUP} {UNSEEN}" + "W" * 400


# --- Reading the page ---------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page holds: every element with its attributes, and the visible words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._skipped = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "style":
            self._skipped = tag
        if tag not in ("bdi", "span", "wbr", "a"):
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._skipped = ""

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements if name in attrs]


def read(report: Report, **options: Any) -> Page:
    return Page(render_page(report, **options))


def browse(page: Path, *arguments: str) -> str:
    """The page's DOM after a real browser has loaded it."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={page.parent / 'profile'}",
            "--virtual-time-budget=2000",
            *arguments,
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout.decode()


def overflow(html: str, width: int, folder: Path) -> tuple[int, int]:
    """How wide the page's content is in a window of that width, and the window.

    The page stands in a frame, because not every Chromium opens a window that narrow. It is a copy
    without the content security policy, which keeps the frame's parent from nothing but is not what
    is looked at here.
    """
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    assert policy.search(html)
    (folder / "page.html").write_text(policy.sub("", html))
    wrapper = folder / "wrapper.html"
    wrapper.write_text(
        f"<!doctype html><iframe id=f src=page.html style='border:0;width:{width}px;height:900px'>"
        "</iframe><script>f.onload = () => { const root = f.contentDocument.documentElement;"
        "document.title = root.scrollWidth + ' ' + root.clientWidth }</script>"
    )
    dom = browse(wrapper, "--allow-file-access-from-files", "--window-size=1600,1000")
    measured = re.search(r"<title>(\d+) (\d+)</title>", dom)
    assert measured, dom[:500]
    return int(measured[1]), int(measured[2])


# --- Hostile texts ------------------------------------------------------------------------------


def poisoned(node: Any) -> Any:
    """The report with hostile content in every text that is not one of a fixed few."""
    fixed = {"status", "severity", "decision", "unit", "kind"}
    dates = {"date", "batch_date", "first_batch", "last_batch", "held_batches"}
    if isinstance(node, dict):
        return {
            name: value if name in fixed | dates else poisoned(value)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [poisoned(value) for value in node]
    return HOSTILE if isinstance(node, str) else node


def hostile_report() -> Report:
    report: Report = poisoned(example_report())
    for stream in report["streams"]:
        for batch in stream["batches"]:
            batch["reject_reasons"] = {HOSTILE: 3, f"{HOSTILE} 2": 4}
    # The incidents' ids are all the same now, so the alerts would count as told.
    for alert in report["alerts"]:
        alert["incident_id"] = None
    return report


@pytest.fixture(scope="module")
def hostile_dom(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hostile page as a browser has it, without the policy that would stop scripts anyway."""
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    html = render_page(hostile_report())
    path.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html))
    return browse(path)


def test_no_text_of_a_report_runs_as_a_script(hostile_dom: str) -> None:
    page = Page(hostile_dom)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert "<title>FAIL" in hostile_dom


def test_no_text_of_a_report_becomes_an_attribute(hostile_dom: str) -> None:
    names = {name for _, attributes in Page(hostile_dom).elements for name in attributes}
    assert not [name for name in names if name.startswith("on")]


def test_hostile_texts_are_there_as_texts(hostile_dom: str) -> None:
    """At least once for each of the many places that show a text."""
    assert Page(hostile_dom).text.count(MARKUP) > 60


def test_characters_that_hide_or_reorder_are_spelled_out(hostile_dom: str) -> None:
    text = Page(hostile_dom).text
    assert "\\u202egnp.exe\\x00\\ud800" in text
    assert not set("\u202e\x00\ufffd") & set(text)


def test_a_runbook_that_is_no_path_of_the_project_is_no_link() -> None:
    report = example_report()
    for runbook in (
        "javascript:alert(1)",
        "//evil.example/x",
        "https://evil.example/",
        "../../../etc/passwd",
        "/etc/passwd",
        "docs/runbook.md#x\ny",
        "\tjavascript:alert(1)",
        "data:text/html,x",
    ):
        report["incidents"][0]["runbook"] = runbook
        page = read(report, runbook_base="")
        assert sorted(href for href in page.attributes("href") if href[0] != "#") == [
            "data:,",
            "docs/runbook.md#ingestion_delay",
        ]


def test_the_page_may_load_and_run_nothing() -> None:
    for tag, attributes in read(example_report()).elements:
        if attributes.get("http-equiv") == "Content-Security-Policy":
            policy = attributes["content"] or ""
            break
        assert tag in ("html", "head", "meta")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize("report", [example_report(), hostile_report()])
def test_the_page_asks_nothing_of_the_network(report: Report) -> None:
    html = render_page(report)
    page = Page(html)
    for name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"):
        for target in page.attributes(name):
            assert re.match(r"#|\.\./\.\./docs/runbook\.md#|data:,$", target), target
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    for style in page.attributes("style"):
        assert re.fullmatch(r"(left|top):[\d.]+%", style)


# --- Layout -------------------------------------------------------------------------------------


@needs_a_browser
@pytest.mark.parametrize("width", [380, 1400])
@pytest.mark.parametrize("name", ["example", "year", "hostile", "error"])
def test_the_page_never_scrolls_sideways(name: str, width: int, tmp_path: Path) -> None:
    report = {
        "example": example_report(),
        "year": example_report(365),
        "hostile": hostile_report(),
        "error": error_report(),
    }[name]
    content, window = overflow(render_page(report), width, tmp_path)
    assert width - 20 <= window <= width
    assert content <= window


# --- What it says -------------------------------------------------------------------------------


def test_the_headline_says_what_is_wrong_how_much_and_whose_it_is() -> None:
    text = read(example_report()).text
    for words in (
        "Data failed the gate 1 critical problem and 2 warnings are open.",
        "The batch of 4 Dec is held back from web_events",
        "First of all: reject_rate in web_events since 4 Dec 2025, 14:00 UTC, 12 484 at stake, "
        "owned by data-platform.",
    ):
        assert words in text


def test_an_incident_says_what_to_do_and_links_the_runbook() -> None:
    page = read(example_report(), runbook_base="../../")
    assert "Have the file delivered again" in page.text
    assert "../../docs/runbook.md#reject_rate" in page.attributes("href")
    assert "Acknowledged by on-call of checkout" in page.text


def test_an_alert_that_belongs_to_an_incident_is_told_once() -> None:
    report = example_report()
    message = "reject_rate=0.1893 (max 0.05): 612 of 3 270 rows"
    report["checks"] = []
    assert read(report).text.count(message) == 1


def test_an_alert_that_belongs_to_no_incident_is_told() -> None:
    assert "got 3 results, configured to warn" in read(example_report()).text


def test_a_resolved_incident_is_not_open() -> None:
    page = read(example_report())
    ids = [name for name in page.attributes("id") if name.startswith("problem-")]
    assert len(ids) == 3
    assert "Resolved by this run" in page.text


def stake(*incidents: tuple[str, str, str, float | None]) -> str:
    """The amount that is shown for open incidents of a stream, first batch, last batch, amount."""
    template = example_report()["incidents"][0]
    report = {
        **empty_report("FAIL"),
        "incidents": [
            {
                **template,
                "incident_id": str(number),
                "stream": stream,
                "first_batch": first,
                "last_batch": last,
                "money_at_stake": amount,
            }
            for number, (stream, first, last, amount) in enumerate(incidents)
        ],
    }
    found = re.search(r"At stake (\S+) (shop|no amount)", read(report).text)
    assert found
    return found[1]


def test_money_at_stake_of_the_same_batches_is_counted_once() -> None:
    one = ("web_events", "2025-12-01", "2025-12-03", 700.0)
    assert stake(one, ("web_events", "2025-12-03", "2025-12-04", 200.0)) == "700"
    assert stake(one, ("web_events", "2025-12-04", "2025-12-04", 200.0)) == "900"
    assert stake(one, ("ingest_events", "2025-12-01", "2025-12-03", 200.0)) == "900"
    assert stake(one, ("web_events", "2025-12-02", "2025-12-02", None)) == "700"
    assert stake(("web_events", "2025-12-02", "2025-12-02", None)) == "–"  # noqa: RUF001


def test_the_calendar_says_each_day_in_words_and_by_a_sign() -> None:
    page = read(example_report())
    days = {
        (attributes.get("title") or "").partition(".")[0]: attributes.get("class")
        for tag, attributes in page.elements
        if tag == "span" and "day" in (attributes.get("class") or "").split()
    }
    assert days["Thursday 4\u00a0Dec\u00a02025: held back"] == "day d-hold"
    assert days["Wednesday 26\u00a0Nov\u00a02025: missing"] == "day d-missing"
    assert days["Sunday 23\u00a0Nov\u00a02025: failed"] == "day d-fail released"
    assert days["Tuesday 2\u00a0Dec\u00a02025: warning"] == "day d-warn"
    assert days["Monday 1\u00a0Dec\u00a02025: passed"] == "day d-pass"
    signs = {target for target in page.attributes("href") if target.startswith("#i-")}
    assert {"#i-hold", "#i-missing", "#i-fail", "#i-warn", "#i-pass", "#i-info"} <= signs


def test_of_a_year_the_newest_thirteen_weeks_are_drawn_and_the_page_says_so() -> None:
    """4 December 2025 is a Thursday: 12 whole weeks and 4 days, from Monday 8 September."""
    page = read(example_report(365))
    dates = "8\u00a0Sep – 4\u00a0Dec\u00a02025"  # noqa: RUF001
    words = f"The newest 13 weeks, {' '.join(dates.split())}: 88 of 365 batches"
    assert page.text.count(words) == 2
    drawn = [c for c in page.attributes("class") if re.match(r"day d-", c)]
    assert len(drawn) == 2 * 88


def test_a_batch_far_in_the_future_does_not_push_the_others_off_the_page() -> None:
    report = example_report()
    report["streams"][1]["batches"].append(made_batch("2099-01-01", {}, 5, 1.0))
    page = read(report)
    assert "weeks without a batch" in page.text
    assert len([c for c in page.attributes("class") if re.match(r"day d-", c)]) == 61


def test_a_trend_has_its_band_its_values_and_its_unit() -> None:
    days = [f"2025-11-{day:02}" for day in range(10, 20)]
    shares = made_trend("reject_rate", "Reject rate", "share", [(day, 0.034) for day in days])
    money = made_trend("revenue", "Revenue", "money", [(day, 12_345.6) for day in days])
    report = {**empty_report(), "date": "2025-11-19"}
    report["streams"] = [
        {
            "stream": "web_events",
            "batches": [made_batch(day, {}, 5, 1.0) for day in days],
            "trends": [shares, money],
        }
    ]
    page = read(report)
    # Constant values have a deviation of 4 % of the mean in made_trend: three make 12 %.
    assert "Reject rate 3.4 % expected 3.4 %, allowed 2.99 % to 3.81 %" in page.text
    assert "Revenue 12 346 expected 12 346, allowed 10 864 to 13 827" in page.text
    assert len([c for c in page.attributes("class") if c == "band"]) == 2
    assert len([c for c in page.attributes("class") if c == "line"]) == 2


def test_a_missing_value_breaks_the_line() -> None:
    values = [(f"2025-11-{day:02}", None if day == 15 else 7.0) for day in range(10, 20)]
    stream = {
        "stream": "web_events",
        "batches": [],
        "trends": [made_trend("rows_raw", "Rows", "rows", values)],
    }
    page = read({**empty_report(), "streams": [stream]})
    assert len([c for c in page.attributes("class") if c == "line"]) == 2


def test_all_reasons_beyond_six_are_one_other() -> None:
    reasons = {f"reason_{number}": 100 - number for number in range(9)}
    stream = {
        "stream": "web_events",
        "batches": [made_batch("2025-11-10", reasons, 2000, 1.0)],
        "trends": [],
    }
    page = read({**empty_report(), "streams": [stream]})
    # 94 + 93 + 92 rows
    assert "reason_5 95 3 other reasons 279" in page.text
    assert len([tag for tag, _ in page.elements if tag == "rect"]) == 7


def test_samples_show_the_row_as_it_came() -> None:
    assert '4f1c***,"https://shop.example/cart,2025-12-04T15:20:11Z' in read(example_report()).text


def test_the_footer_names_the_run_the_target_and_the_schema() -> None:
    text = read(example_report()).text
    assert "Run df31dc14-363f-4596-86b0-c2d7de0fd329" in text
    assert "5 Dec 2025, 06:12 UTC in 21.5 s · target embedded · report schema 1.2" in text


# --- Reports with little in them ----------------------------------------------------------------


def test_an_empty_report_says_that_nothing_has_been_judged() -> None:
    text = read(empty_report()).text
    assert "The gate is open No batch has been judged yet." in text
    assert "What is wrong now" not in text


def test_an_error_report_says_why_it_could_not_be_evaluated() -> None:
    text = read(error_report()).text
    assert "The gate could not be evaluated" in text
    assert "The server cannot be reached (connection refused)" in text


def test_a_report_without_problems_says_that_nothing_is_wrong() -> None:
    report = {**example_report(), "status": "PASS", "incidents": [], "alerts": []}
    for batch in report["streams"][1]["batches"]:
        batch.update(decision="publish", status="pass", is_missing=False)
    text = read(report).text
    assert "The gate is open Nothing is wrong" in text
    assert "What is wrong now" not in text


def test_texts_that_are_no_dates_and_numbers_that_are_none_do_not_break_the_page() -> None:
    report = example_report()
    for stream in report["streams"]:
        stream["batches"].append(made_batch(MARKUP, {"rule": 1}, 5, float("nan")))
        for trend in stream["trends"]:
            trend["points"][3].update(batch_date=MARKUP, value=float("inf"))
            trend["points"][4].update(value=float("inf"), upper=float("nan"))
    report["incidents"][0].update(first_batch=MARKUP, since=MARKUP, money_at_stake=float("nan"))
    report["generated_at"] = MARKUP
    page = read(report)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not {"nan", "inf"} & set(page.text.lower().split())


def test_a_stream_without_batches_says_so() -> None:
    report = {**empty_report(), "streams": [{"stream": "new", "batches": [], "trends": []}]}
    assert "No batch of this stream has been judged yet." in read(report).text


@pytest.mark.parametrize(
    "values",
    [[None], [0.0], [5.0], [0.0, 0.0], [-3.0, 2.0], [1e-12, 2e-12], [1e18, 1.0], [1e-300, 1e-300]],
)
@pytest.mark.parametrize("unit", ["rows", "money", "share", "minutes", "number"])
def test_a_trend_of_any_values_has_a_plot_inside_its_frame(
    values: list[float | None], unit: str
) -> None:
    days = [f"2025-11-{day:02}" for day in range(10, 10 + len(values))]
    trend = made_trend("metric", "Metric", unit, list(zip(days, values, strict=True)))
    stream = {"stream": "s", "batches": [], "trends": [trend]}
    html = render_page({**empty_report(), "streams": [stream]})
    assert "nan" not in html
    assert "inf" not in html.replace("info", "")
    for x, y in re.findall(r'<circle class="m-none" cx="([^"]*)" cy="([^"]*)" r="2.4"', html):
        assert 46 <= float(x) <= 350
        assert 10 <= float(y) <= 130
