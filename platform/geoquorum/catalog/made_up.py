"""Photos and posts of a made-up city, taken in by the ordinary ingest, with their truth as references."""

from pathlib import Path

from fusion.world.photos import render_photos
from fusion.world.posts import write_posts
from fusion.world.world import City
from geoquorum.catalog.models import Reference, Region, Sample
from geoquorum.catalog.photos import ingest_photos
from geoquorum.catalog.posts import ingest_posts

TRUTH = "simulated truth"


def take_photos(*, region: Region, city: City, folder: Path, count: int, seed: int = 0) -> list[Sample]:
    """`count` street photos of the city into its region; the truth of each in the scheme building_use."""
    made = render_photos(city, folder, count=count, seed=seed)
    taken = ingest_photos(region=region, paths=[photo.path for photo in made])
    truth = [
        Reference(sample=one.sample, scheme="building_use", code=photo.code, source=TRUTH)
        for one, photo in zip(taken, made, strict=True)
    ]
    Reference.objects.bulk_create(truth, ignore_conflicts=True)
    return [one.sample for one in taken]


def take_posts(*, region: Region, city: City, folder: Path, count: int, seed: int = 0) -> list[Sample]:
    """`count` invented posts into the city's region; the truth of each in the scheme post_building_function.

    Posts that are in the region already are not taken again, and not among the samples answered.
    """
    path, made = write_posts(city, folder, count=count, seed=seed)
    taken = ingest_posts(region=region, path=path)
    by_line = dict(enumerate(made, start=2))
    Reference.objects.bulk_create(
        Reference(sample=sample, scheme="post_building_function", code=by_line[line].function, source=TRUTH)
        for sample, line in zip(taken.samples, taken.lines, strict=True)
    )
    return taken.samples
