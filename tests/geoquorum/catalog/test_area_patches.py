"""Areas become patches that stay their children: balanced by class, cut once, read on and between the grid's cells."""

import io

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image
from shapely.geometry import Polygon, box, mapping

from fusion import scheme as schemes
from fusion.areas import Balance
from fusion.errors import BadInputError, NoLocationError
from fusion.grid import parse_cell
from geoquorum.accounts.models import Event
from geoquorum.catalog import pictures, pixels
from geoquorum.catalog.areas import cut_areas, read_codes
from geoquorum.catalog.models import Sample
from tests import given

pytestmark = pytest.mark.django_db
LCZ = schemes.find("lcz17")
BOW = Polygon([(9, 49), (9.1, 49.1), (9.1, 49), (9, 49.1)])


@pytest.fixture
def project():
    return given.project()


def test_patches_are_children_of_their_area_which_is_their_block(project):
    area = given.area(project, box(9, 49, 9.02, 49.02))
    cut = cut_areas(project=project, codes={area.pk: "2"}, balance=Balance(), by=None)
    patches = list(Sample.objects.filter(parent=area, kind="patch"))
    assert len(patches) == cut.new == len(cut.sampled.patches) > 5
    for patch in patches:
        assert (patch.block, patch.region, patch.width_px, patch.pixel_size_m) == (area.key, area.region, 32, 10)
        assert patch.key == f"{area.key}-{patch.cell}"
        west, south, _east, north = parse_cell(patch.cell).bounds
        assert patch.transform == [10, 0, west, 0, -10, north]
        assert north - south == 320
        assert (patch.longitude, patch.latitude) == pytest.approx(parse_cell(patch.cell).centre_lonlat)
    assert not patches[0].references.exists()
    assert Event.objects.get(action="areas cut").detail["new"] == len(patches)


def test_long_keys_make_short_blocks_that_stay_apart(project):
    areas = [given.area(project, box(9 + x, 49, 9.01 + x, 49.01), key=f"{'k' * 119}{x}") for x in range(2)]
    cut_areas(project=project, codes={area.pk: "2" for area in areas}, balance=Balance(), by=None)
    assert len(set(Sample.objects.filter(kind="patch").values_list("block", flat=True))) == 2


def test_cutting_twice_adds_nothing_and_another_cut_is_refused_until_it_is_meant(project):
    area = given.area(project, box(9, 49, 9.03, 49.03))
    codes = {area.pk: "2"}
    first = cut_areas(project=project, codes=codes, balance=Balance(target=10), by=None)
    second = cut_areas(project=project, codes=codes, balance=Balance(target=10), by=None)
    assert (first.new, second.new, second.removed) == (10, 0, 0)
    with pytest.raises(BadInputError, match="come from an earlier cut"):
        cut_areas(project=project, codes=codes, balance=Balance(target=10, seed=1), by=None)
    assert Sample.objects.filter(kind="patch").count() == 10
    third = cut_areas(project=project, codes=codes, balance=Balance(target=10, seed=1), by=None, again=True)
    assert third.new == third.removed > 0
    assert Sample.objects.filter(kind="patch").count() == 10


def test_patches_that_people_were_asked_about_stay(project):
    area = given.area(project, box(9, 49, 9.03, 49.03))
    cut_areas(project=project, codes={area.pk: "2"}, balance=Balance(target=10), by=None)
    given.campaign(project, samples=list(area.children.all()))
    with pytest.raises(BadInputError, match="were asked about in a campaign and stay"):
        cut_areas(project=project, codes={area.pk: "2"}, balance=Balance(target=1, seed=5), by=None, again=True)
    assert area.children.count() == 10


def test_the_command_takes_classes_of_references_and_tells_what_is_wrong(project):
    good = given.area(project, box(9, 49, 9.02, 49.02), code="2", key="good")
    given.area(project, box(9.01, 49, 9.03, 49.02), code="A", key="over it")
    given.area(project, BOW, code="2", key="bow")
    given.area(project, None, code="2", key="nothing")
    given.area(project, box(9.1, 49, 9.101, 49.001), code="2", key="tiny")
    split = given.area(project, box(9.2, 49, 9.22, 49.02), code="2", key="split")
    split.references.create(scheme="lcz17", code="3", source="somebody else")
    said = io.StringIO()
    call_command("patches_of_areas", project=project.slug, stdout=said)
    words = said.getvalue()
    assert "left out: split: its references name different classes" in words
    assert "refused: bow: Its outline is not simple" in words
    assert "refused: nothing: Its outline is empty" in words
    assert "overlap: good (class 2) and over it (class A) share" in words
    assert "empty: tiny: no patch fits inside" in words
    assert "class 2:" in words
    assert good.children.exists()
    assert not split.children.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": "x"}, "There is no project 'x'"),
        ({"scheme": "water"}, "no area with a class"),
        ({"run": 987654}, "no consensus run 987654"),
        ({"target": 0}, "target must be 1"),
        ({"cell_m": 15}, "not on the grid"),
    ],
)
def test_a_command_that_cannot_be_says_why_and_stores_nothing(project, options, said):
    given.area(project, box(9, 49, 9.02, 49.02), code="2")
    with pytest.raises(CommandError, match=said):
        call_command("patches_of_areas", **{"project": project.slug} | options)
    assert not Sample.objects.filter(kind="patch").exists()


def test_an_area_in_another_place_than_its_region_is_refused():
    project = given.project()
    region = given.city(project)
    middle = (region.west + region.east) / 2, (region.south + region.north) / 2
    swapped = given.area(project, box(middle[1], middle[0], middle[1] + 0.01, middle[0] + 0.01), region=region)
    cut = cut_areas(project=project, codes={swapped.pk: "2"}, balance=Balance(), by=None)
    assert "swapped" in cut.sampled.refused[swapped.key]


def test_patches_between_cells_have_the_pixels_of_their_ground():
    """A patch half a cell east and north is put together of quarters of four cells, pixel by pixel."""
    project = given.project()
    region = given.city(project)
    cells = {parse_cell(one.cell): one for one in Sample.objects.filter(region=region, kind="patch")}
    corner = min(cells)
    area = given.area(project, mapping_of(region), region=region)
    balance = Balance(target=1000, finest_m=160)
    cut_areas(project=project, codes={area.pk: "2"}, balance=balance, by=None)
    west, south = corner.bounds[0] + 160, corner.bounds[1] + 160
    off = next(one for one in area.children.all() if one.transform[2] == west and one.transform[5] == south + 320)
    assert off.cell == ""
    on = [one for one in area.children.exclude(cell="")][:1]
    read = pixels.read_samples([off, *on], "sentinel2", "summer")
    whole = pixels.read_samples([*cells.values()], "sentinel2", "summer")
    place = {cell: row for row, cell in enumerate(cells)}

    def tile(values):
        """The four cells around the patch, north-west first."""
        there = {(cell.column - corner.column, cell.row - corner.row): values[place[cell]] for cell in cells}
        north = np.concatenate([there[0, 1], there[1, 1]], axis=-1)
        return np.concatenate([north, np.concatenate([there[0, 0], there[1, 0]], axis=-1)], axis=-2)

    assert np.array_equal(read.values[0], tile(whole.values)[:, 16:48, 16:48])
    assert np.array_equal(read.valid[0], tile(whole.valid)[16:48, 16:48])
    assert np.array_equal(read.values[1], pixels.read_samples(on, "sentinel2", "summer").values[0])
    alone = Image.open(io.BytesIO(pictures.picture(off, "sentinel2", "true_colour", season="summer")))
    assert alone.size == (32, 32)
    around = Image.open(io.BytesIO(pictures.picture(off, "sentinel2", "true_colour", season="summer", context=3)))
    assert around.size == (96, 96)
    assert np.array_equal(np.asarray(around)[32:64, 32:64], np.asarray(alone))


def test_a_patch_off_every_pixel_is_refused():
    project = given.project()
    region = given.city(project)
    one = Sample.objects.filter(region=region, kind="patch").first()
    one.cell, one.transform = "", [10, 0, one.transform[2] + 3, 0, -10, one.transform[5]]
    with pytest.raises(BadInputError, match="off the grid"):
        pixels.read_samples([one], "sentinel2", "summer")
    one.transform = None
    with pytest.raises(NoLocationError, match="needs a grid cell"):
        pixels.read_samples([one], "sentinel2", "summer")


def test_codes_are_those_of_areas_alone(project):
    area = given.area(project, box(9, 49, 9.02, 49.02), code="2")
    patch = given.sample(project)
    patch.references.create(scheme="lcz17", code="3", source="x")
    assert read_codes(project=project, scheme=LCZ) == ({area.pk: "2"}, [])


def mapping_of(region):
    """The ground of a region, a little wider than its cells."""
    return box(region.west, region.south, region.east, region.north)


def test_a_footprint_that_is_no_geometry_is_an_empty_outline(project):
    area = given.area(project, box(9, 49, 9.02, 49.02))
    other = given.area(project, box(9.1, 49, 9.12, 49.02))
    area.footprint = {"type": "Polygon", "coordinates": "nothing"}
    area.save()
    other.footprint = mapping(box(9.1, 49, 9.12, 49.02))
    cut = cut_areas(project=project, codes={area.pk: "2", other.pk: "2"}, balance=Balance(), by=None)
    assert "empty" in cut.sampled.refused[area.key]
    assert cut.new > 0
