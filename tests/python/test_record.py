"""What the README says of speed is what the newest record of the benches says."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benches" / "python"))

record = pytest.importorskip("record")
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
    for picture in ("race", *found["parts"].get("scaling", {}).get("tables", {})):
        assert (path.with_suffix("") / f"{picture}.svg").read_text().startswith("<svg ")


def test_a_hand_written_figure_is_noticed():
    section = record.readme_section(record.newest())
    assert section.count("µs")
    readme = record.README.read_text().replace("| p99", "| p98").replace("– p99", "– p98")
    assert record.updated(readme, record.newest()) != readme
