"""Photos taken from the street: a point, the direction the camera looked in, and how wide it looked."""

from fusion.modality import Band, Modality, View

# Pixels are sRGB (IEC 61966-2-1), upright, without EXIF. heading_deg is clockwise from true north, field_of_view_deg
# is horizontal: the fields of fusion.source.Photo.
MODALITY = Modality(
    name="street_view",
    title="Street view",
    kind="image",
    dims=("y", "x", "band"),
    bands=(
        Band(name="red", title="Red"),
        Band(name="green", title="Green"),
        Band(name="blue", title="Blue"),
    ),
    dtype="uint8",
    scale=1 / 255,
    valid_range=(0.0, 1.0),
    facts=("longitude", "latitude", "heading_deg", "field_of_view_deg"),
    views=(
        View(
            name="photo",
            title="Photo",
            channels=("red", "green", "blue"),
            low=(0.0, 0.0, 0.0),
            high=(1.0, 1.0, 1.0),
            help="The photo as it was taken.",
        ),
    ),
    # A photo has an up; only its left and right may change places.
    symmetries="mirror",
    source="Kang et al. 2018, ISPRS Journal 145, doi 10.1016/j.isprsjprs.2018.02.006",
)
