"""Words of social-media posts as UTF-8 bytes; names, addresses and numbers are taken out before they are stored."""

from fusion.modality import Band, Modality

MODALITY = Modality(
    name="post_text",
    title="Post text",
    kind="text",
    dims=("byte",),
    bands=(Band(name="utf8", title="UTF-8 bytes", unit="byte"),),
    dtype="uint8",
    valid_range=(0, 255),
    media_type="text/plain; charset=utf-8",
    no_picture="Words are shown as words.",
    facts=("longitude", "latitude", "language"),
    # There is nothing to turn.
    symmetries="none",
    source="Haberle, Hoffmann & Zhu 2022, ISPRS Journal, social media texts and buildings",
)
