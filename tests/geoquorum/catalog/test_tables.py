"""On row C11: tables of samples are taken whole, or each bad row is named and nothing is taken."""

from pathlib import Path
from typing import Any

import pytest

from fusion.errors import BadInputError
from fusion.grid import cell_at
from geoquorum.accounts.models import Event
from geoquorum.catalog.models import Region, Sample
from geoquorum.catalog.tables import take_samples
from tests import given

pytestmark = pytest.mark.django_db


def take(folder: Path, text: str, project: Any = None, **options: Any) -> int:
    path = folder / "samples.csv"
    path.write_text(text, encoding="utf-8")
    return take_samples(project=project or given.project(), path=path, by=None, **options)


def test_samples_come_in_with_places_cells_and_regions(tmp_path: Path) -> None:
    project = given.project()
    text = "sample,region,longitude,latitude,width_px\na,Köln,7.0,50.9,32\nb,Köln,7.1,50.9,32\nc,,,,\n"
    assert take(tmp_path, text, project, cell_m=320) == 3
    a, _b, c = Sample.objects.filter(project=project).order_by("key")
    assert (a.kind, a.region.name, a.cell, a.width_px) == ("patch", "Köln", cell_at(7.0, 50.9).id, 32)
    assert (c.region, c.cell, c.longitude, c.attributes, c.text) == (None, "", None, {}, "")
    assert Region.objects.filter(project=project).count() == 1
    assert Event.objects.get(action="samples imported").detail["samples"] == 3


def test_samples_of_a_simulated_project_are_marked(tmp_path: Path) -> None:
    project = given.project(is_simulated=True)
    take(tmp_path, "sample,region\na,Made up\n", project)
    assert Sample.objects.get(project=project).is_simulated
    assert Region.objects.get(project=project).is_simulated


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("sample\na\n\nb\n", "line 3 names no sample"),
        ("sample\na\nb\na\n", "line 4 has the sample of line 2 again"),
        ("sample,kind\na,planet\n", "line 2 has kind 'planet'; kinds are patch"),
        ("sample,longitude\na,7\n", "line 2 has half a place"),
        ("sample,longitude,latitude\na,207,50\n", "line 2 has longitude 207.0, outside -180..180"),
        ("sample,longitude,latitude\na,7,nan\n", "line 2 has a latitude that is no number"),
        ("sample,cell\na,32N-320\n", "line 2 has cell '32N-320'"),
        ("sample,width_px\na,0\n", "line 2 has width_px 0"),
        ("sample\n" + "x" * 121 + "\n", "line 2 has a sample of more than 120"),
        ("key\na\n", "columns missing: sample; unknown: key"),
    ],
)
def test_bad_rows_are_named_and_nothing_is_taken(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        take(tmp_path, text)
    assert not Sample.objects.exists()
    assert not Region.objects.exists()


def test_a_key_that_the_project_has_is_refused_and_other_kinds_and_projects_do_not_matter(tmp_path: Path) -> None:
    project = given.project()
    take(tmp_path, "sample\na\n", project)
    with pytest.raises(BadInputError, match="line 3 names sample 'a', which the project has"):
        take(tmp_path, "sample\nb\na\n", project)
    assert take(tmp_path, "sample,kind\na,post\n", project) == 1
    assert take(tmp_path, "sample\na\n") == 1


def test_a_place_beyond_the_grid_is_refused_only_where_a_cell_is_asked_for(tmp_path: Path) -> None:
    text = "sample,longitude,latitude\na,7,88\n"
    with pytest.raises(BadInputError, match="beyond the grid"):
        take(tmp_path, text, cell_m=320)
    assert take(tmp_path, text) == 1
