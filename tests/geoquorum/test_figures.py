"""Figures: sound SVG, escaped, with a text alternative, true to their numbers, free of what the CSP forbids."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from fusion import scheme as schemes
from geoquorum.figures import bars, lines, matrix, reliability, sparkline, svg, whiskers

LCZ = schemes.find("lcz17")
EVIL = '"><script>alert(1)</script>'


def parse(text: str) -> ElementTree.Element:
    """The root element; namespaces are cut off."""
    return ElementTree.fromstring(text.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def bins(counts: list[int]) -> list[dict[str, float]]:
    return [
        {"low": i / 2, "high": i / 2 + 0.5, "n": n, "confidence": 0.5, "accuracy": 0.4} for i, n in enumerate(counts)
    ]


ALL = {
    "line chart": lambda title: lines.line_chart(
        [lines.Series(name=title, points=[(0, 1), (1, 0.5)])], title=title, x_label=title, y_label=title
    ),
    "class bars": lambda title: bars.class_bars(LCZ, {"1": 4, "G": 2}, title=title, y_label=title),
    "matrix": lambda title: matrix.confusion_matrix(
        LCZ, [[1] * 17] * 17, title=title, row_label=title, column_label=title
    ),
    "reliability": lambda title: reliability.reliability_diagram(bins([3, 5]), title=title),
    "whiskers": lambda title: whiskers.whisker_chart(
        [whiskers.Whisker(name=title, value=0.5, low=0.4, high=0.6)], title=title, x_label=title
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_read_aloud_and_escapes_what_it_is_given(name: str) -> None:
    text = ALL[name](EVIL)
    root = parse(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == EVIL
    assert root.find("title").text == EVIL
    assert root.find(".//script") is None
    assert re.search(r"\sstyle=|\son\w+=", text) is None


def test_bars_stand_in_the_order_of_the_scheme_with_their_codes() -> None:
    root = parse(bars.class_bars(LCZ, {"G": 7, "1": 14}, title="n", y_label="samples"))
    codes = [text.text for text in root.findall("text") if text.get("font-weight") == "600"]
    assert codes == list(LCZ.codes)


def test_a_bar_twice_as_large_is_twice_as_high() -> None:
    root = parse(bars.class_bars(LCZ, {"1": 14, "2": 7}, title="n", y_label="samples"))
    heights = [float(rect.get("height")) for rect in root.findall("rect") if ": " in rect.find("title").text]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.02)
    assert heights[2] == 0


def test_a_matrix_prints_each_count_and_the_share_on_the_diagonal() -> None:
    counts = [[0] * 17 for _ in range(17)]
    counts[0][0], counts[0][1] = 3, 1
    root = parse(matrix.confusion_matrix(LCZ, counts, title="t", row_label="truth", column_label="vote"))
    words = [text.text for text in root.findall("text")]
    assert "75%" in words
    titles = [title.text for title in root.findall("rect/title")]
    assert "1 / 2: 1, 25.0%" in titles
    assert words.count("–") == 16, "rows without a count have no share"


def test_a_line_leaves_out_what_is_missing_and_says_when_there_is_nothing() -> None:
    points = [(0, 1.0), (1, None), (2, math.nan), (3, 0.5)]
    root = parse(
        lines.line_chart([lines.Series(name="loss", points=points)], title="t", x_label="epoch", y_label="loss")
    )
    assert len(root.find("polyline").get("points").split()) == 2
    empty = parse(lines.line_chart([], title="t", x_label="epoch", y_label="loss"))
    assert "no values yet" in [text.text for text in empty.findall("text")]


def test_an_empty_bin_has_no_point() -> None:
    root = parse(reliability.reliability_diagram(bins([0, 5]), title="t"))
    assert len(root.findall("circle")) == 1
    parse(reliability.reliability_diagram(bins([0, 0]), title="t"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 97, [0, 20, 40, 60, 80]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (3, 3, [3])],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == expected


def test_a_small_interval_says_its_numbers() -> None:
    assert parse(whiskers.interval_bar(0.5, 0.4, 0.6)).get("aria-label") == "0.500, 95 % interval 0.400 to 0.600"


def test_thin_lines_stand_behind_in_the_hue_of_their_line_and_have_no_name() -> None:
    points = [(0, 1.0), (1, 0.5)]
    series = [
        lines.Series(name="own", points=points, hue=2),
        lines.Series(name="", points=points, is_thin=True, hue=2),
        lines.Series(name="empty", points=[(0, None)]),
    ]
    root = parse(lines.line_chart(series, title="t", x_label="x", y_label="y"))
    assert [line.get("class") for line in root.findall("polyline")] == ["series s2 thin", "series s2"]
    assert [text.text for text in root.findall("text")].count("own") == 1


def test_a_sparkline_says_its_numbers_and_ends_in_a_mark() -> None:
    root = parse(sparkline.sparkline([0.0, 0.25, 1.0], title=EVIL))
    assert root.get("aria-label") == f"{EVIL}: 0.00, 0.25, 1.00"
    places = [point.split(",") for point in root.find("polyline").get("points").split()]
    heights = [float(y) for _x, y in places]
    assert heights[0] > heights[1] > heights[2]
    assert float(root.find("circle").get("cy")) == pytest.approx(heights[2], abs=0.1)
    assert parse(sparkline.sparkline([], title="none")).find("polyline") is None
