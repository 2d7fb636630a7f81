"""What the README says of speed is what the newest record of the benches says."""

import json
import re
from xml.etree import ElementTree

import chart
import pytest
import record

RECORDS = sorted(record.RECORDS.glob("*.json"))


def test_the_readme_shows_the_newest_record():
    readme = record.README.read_text()
    assert record.newest() is not None
    assert record.updated(readme, record.newest()) == readme, "run `make record`, or `record.py --readme-only`"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_whole(path):
    """Its page is made of its figures, its pictures are there, and it says nothing of whose machine it was."""
    found = json.loads(path.read_text())
    assert found["name"] == path.stem
    assert record.page(found) == path.with_suffix(".md").read_text()
    for text in (path.read_text(), path.with_suffix(".md").read_text()):
        assert "/home/" not in text
        assert "/work" not in text
    for picture in (*(["race"] if "race" in found["parts"] else []), *found["parts"].get("scaling", {}).get("tables", {})):
        assert (path.with_suffix("") / f"{picture}.svg").read_text().startswith("<svg ")


def test_a_hand_written_figure_is_noticed():
    section = record.readme_section(record.newest())
    assert section.count("µs")
    readme = record.README.read_text().replace("| p99", "| p98").replace("– p99", "– p98")
    assert record.updated(readme, record.newest()) != readme


def test_pictures_are_well_formed_and_always_the_same():
    lines = [
        chart.Line("a <b> & c", chart.tail([0.5, 1.0, 30.0, 4000.0] * 50)),
        chart.Line("none", []),
        chart.Line("one", [(1.0, 7.0)]),
    ]
    panels = [chart.Panel("<t>", "x", "µs", lines, x, y, mark=(10.0, "asked")) for x, y in (("tail", "log"), ("log", "linear"))]
    panels.append(chart.Panel("empty", "x", "y", []))
    picture = chart.svg(panels, 'said "so"')
    assert picture == chart.svg(panels, 'said "so"')
    root = ElementTree.fromstring(picture)
    assert [text for text in root.itertext() if text == "a <b> & c"] == ["a <b> & c"]
    # Every place is a finite number inside the picture.
    for points in re.findall(r'points="([^"]*)"', picture):
        for x, y in (point.split(",") for point in points.split()):
            assert 0 <= float(x) <= chart.WIDTH
            assert 0 <= float(y) <= chart.HEIGHT


@pytest.mark.parametrize(("kind", "low", "high"), [("linear", 0, 0.13), ("linear", 0, 310), ("log", 1e-3, 1e9), ("log", 5, 5), ("tail", 1e-5, 1)])
def test_an_axis_names_a_few_values_within_it(kind, low, high):
    place, ticks = chart.scale(kind, low, high, 100, 300)
    assert (2 if low < high else 1) <= len(ticks) <= 12
    assert all(99 <= place(value) <= 301 for value, _ in ticks)
    assert 99 <= place(low) <= 301
    assert 99 <= place(high) <= 301
