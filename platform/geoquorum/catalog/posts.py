"""Posts into a region, all or nothing, and out again: erasing what one author wrote."""

import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.db.models.functions import Now

from fusion.errors import BadInputError
from fusion.source import Photo, PostRow
from fusion.sources.photos import read_photo
from fusion.sources.photos.uploads import read_uploads
from fusion.sources.posts import read_posts
from fusion.sources.posts.uploads import read_upload
from geoquorum.accounts.models import Project, User
from geoquorum.accounts.services import record
from geoquorum.catalog.media import find_photo, forget_unused, remove_media, store_photo
from geoquorum.catalog.models import Link, Post, Region, Sample
from geoquorum.catalog.photos import place_of
from geoquorum.catalog.pseudonyms import hash_author, hash_source
from geoquorum.storing import hold

BATCH = 2_000  # rows that are held as objects at a time


@dataclass(frozen=True, kw_only=True)
class TakenPosts:
    """What a table gave: new samples in its order, how many were here before, what was taken out of the words."""

    ids: list[int]
    lines: list[int]
    known: int
    removed: Counter[str]

    @property
    def samples(self) -> list[Sample]:
        """The new samples, read from their rows: of a large table nobody needs them all at once."""
        found = Sample.objects.select_related("project", "region").in_bulk(self.ids)
        return [found[pk] for pk in self.ids]


def ingest_posts(*, region: Region, path: Path, is_upload: bool = False) -> TakenPosts:
    """One sample of kind post per row; pictures lie beside the table. A post that is here already stays as it is.

    Neither the author's name nor the post's own number is stored: only their keyed hashes. What somebody sent
    (`is_upload`) is read and decoded in child processes with bounds, but for small tables.
    """
    rows = read_upload(path) if is_upload else read_posts(path)
    images = _read_images(path, rows, is_upload)
    try:
        return _store(region, rows, images)
    except BaseException:
        forget_unused(region.project, images.values())
        raise


def _store(region: Region, rows: list[PostRow], images: dict[str, Photo]) -> TakenPosts:
    """The rows that are new, all of them or none."""
    keys = {row.source_id: hash_source(region.project, row.source_id) for row in rows}
    with transaction.atomic():
        hold(f"posts {region.project_id}")  # the same table sent twice at once is taken once
        there = Post.objects.filter(sample__project=region.project, source_key__in=keys.values())
        known = set(there.values_list("source_key", flat=True))
        new = [row for row in rows if keys[row.source_id] not in known]
        ids: list[int] = []
        for start in range(0, len(new), BATCH):
            ids += _store_batch(region, new[start : start + BATCH], keys, images)
    removed: Counter[str] = Counter()
    for row in new:
        removed.update(row.removed)
    return TakenPosts(ids=ids, lines=[row.line for row in new], known=len(rows) - len(new), removed=removed)


def _store_batch(region: Region, rows: list[PostRow], keys: dict[str, str], images: dict[str, Photo]) -> list[int]:
    """Samples, posts and pictures of some rows; the samples' numbers."""
    samples = Sample.objects.bulk_create([_make_sample(region, row) for row in rows])
    pairs = list(zip(samples, rows, strict=True))
    Post.objects.bulk_create([_make_post(sample, row, keys[row.source_id]) for sample, row in pairs])
    for sample, row in pairs:
        if row.image:
            store_photo(sample=sample, photo=images[row.image], modality="post_image")
    return [sample.pk for sample in samples]


def erase_author(*, project: Project, handle: str, by: User | None) -> int:
    """Empties the words, pictures and hashes of one author's posts; samples and the votes on them stay.

    Answers how many posts were emptied. Neither the name nor its hash is written down anywhere.
    """
    author = hash_author(project, handle)
    if not author:
        raise BadInputError("Give the author's name as the posts had it.")
    with transaction.atomic():
        posts = Post.objects.select_for_update().filter(sample__project=project, author=author)
        found = list(posts.select_related("sample"))
        for post in found:
            if picture := find_photo(post.sample):
                remove_media(picture)
        posts_there = Post.objects.filter(pk__in=[post.pk for post in found])
        emptied = posts_there.update(text="", language="", posted_at=None, author="", source_key="", erased_at=Now())
        there = Sample.objects.filter(post__in=posts_there)
        there.update(captured_from=None, captured_to=None)  # time and place would find the post again
        Link.objects.filter(other__in=there).update(lag_s=None)  # from which the time could be told
        record(project=project, actor=by, action="author erased", subject="posts", detail={"posts": emptied})
    return emptied


def _read_images(path: Path, rows: list[PostRow], is_upload: bool) -> dict[str, Photo]:
    """Every picture that is named, read and stripped before anything is stored."""
    names = sorted({row.image for row in rows if row.image})
    if is_upload:
        return dict(zip(names, read_uploads([path.parent / name for name in names]), strict=True))
    return {name: read_photo(path.parent / name) for name in names}


def _make_sample(region: Region, row: PostRow) -> Sample:
    return Sample(
        project=region.project,
        region=region,
        kind=Sample.Kind.POST,
        key=f"post-{secrets.token_hex(8)}",  # says nothing of where the post came from
        **place_of(row.longitude, row.latitude),
        captured_from=row.posted_at,
        captured_to=row.posted_at,
        is_simulated=region.is_simulated,
    )


def _make_post(sample: Sample, row: PostRow, source_key: str) -> Post:
    return Post(
        sample=sample,
        text=row.text,
        language=row.language[:12],
        posted_at=row.posted_at,
        author=hash_author(sample.project, row.author),
        source_key=source_key,
    )
