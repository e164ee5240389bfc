"""Images of social-media posts: of unknown camera and direction, near a point if the post has one."""

from dataclasses import replace

from fusion.modalities.street_view import MODALITY as PHOTO

MODALITY = replace(
    PHOTO,
    name="post_image",
    title="Post image",
    facts=("longitude", "latitude"),
    source="Hoffmann et al. 2023, Cities 134, doi 10.1016/j.cities.2022.104107",
)
