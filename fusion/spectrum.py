"""Bands that a file brings along: any number, with wavelengths or without, named, and views chosen among them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from fusion.errors import BadInputError
from fusion.modality import Band, Modality, View, list_bands

# In a view of a modality with bands of its own, nm650 stands for the band nearest to 650 nm.
NEAREST = re.compile(r"\bnm(\d+)\b")
REACH_NM = 50.0  # farther off, a band shows something else, and the view is left out
UNNAMED = View(
    name="bands",
    title="Three bands",
    channels=("", "", ""),
    low=(2.0, 2.0, 2.0),
    high=(98.0, 98.0, 98.0),
    limits="own",
    help="The bands at three quarters, half and a quarter of the list are red, green and blue.",
)


def name_bands(wavelengths_nm: Sequence[float | None], *, unit: str = "1") -> tuple[Band, ...]:
    """One band per wavelength, called b001, b002 ... in file order; None where a wavelength is not known."""
    if not wavelengths_nm:
        raise BadInputError("A file needs at least one band; this one states none.")
    wrong = [place for place, value in enumerate(wavelengths_nm, 1) if value is not None and not 100 <= value <= 20_000]
    if wrong:
        raise BadInputError(
            f"Band {wrong[0]}: {wavelengths_nm[wrong[0] - 1]} nm is outside 100 to 20,000 nm. "
            "Give wavelengths in nanometres; many headers state micrometres."
        )
    digits = max(3, len(str(len(wavelengths_nm))))
    return tuple(
        Band(
            name=f"b{place:0{digits}d}",
            title=f"Band {place}" if value is None else f"{value:g} nm",
            wavelength_nm=value,
            unit=unit,
        )
        for place, value in enumerate(wavelengths_nm, 1)
    )


def declare_bands(modality: Modality, bands: Sequence[Band | str]) -> Modality:
    """The modality with these bands, in this order, and the views that they allow.

    Of a modality with bands of its own any bands are taken; of another only those that it declares, by name.
    """
    chosen = tuple(_choose_band(modality, band) for band in bands)
    names = [band.name for band in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInputError(f"{modality.title}: band {twice[0]!r} is given twice.")
    declared = replace(modality, bands=chosen)
    return replace(declared, views=list_views(declared)) if modality.views else declared


def list_views(modality: Modality) -> tuple[View, ...]:
    """The views that the modality's bands allow, by name or by the wavelengths they reach; never none."""
    found = [replace(view, channels=channels) for view in modality.views if (channels := _place(view, modality.bands))]
    return tuple(found) or (replace(UNNAMED, channels=_spread(modality.bands)),)


def find_nearest(bands: Sequence[Band], wavelength_nm: float) -> Band | None:
    """The band nearest to a wavelength; None where every band is more than `REACH_NM` off."""
    known = [(abs(band.wavelength_nm - wavelength_nm), place) for place, band in enumerate(bands) if band.wavelength_nm]
    gap, place = min(known, default=(REACH_NM + 1, 0))
    return bands[place] if gap <= REACH_NM else None


def _choose_band(modality: Modality, band: Band | str) -> Band:
    if isinstance(band, Band) and modality.has_own_bands:
        return band
    name = band.name if isinstance(band, Band) else band
    if modality.has_own_bands:
        return Band(name=name, title=name)
    for declared in modality.bands:
        if declared.name == name:
            return declared
    raise BadInputError(f"{modality.name} has no band {name}. It has {', '.join(modality.band_names)}.")


def _place(view: View, bands: Sequence[Band]) -> tuple[str, str, str] | None:
    wanted = {word for channel in view.channels for word in NEAREST.findall(channel)}
    nearest = {word: find_nearest(bands, float(word)) for word in wanted}
    names = {word: band.name for word, band in nearest.items() if band is not None}
    if len(names) < len(wanted):
        return None
    red, green, blue = (NEAREST.sub(lambda found: names[found[1]], channel) for channel in view.channels)
    placed = replace(view, channels=(red, green, blue))
    return placed.channels if set(list_bands(placed)) <= {band.name for band in bands} else None


def _spread(bands: Sequence[Band]) -> tuple[str, str, str]:
    red, green, blue = (bands[int((len(bands) - 1) * share)].name for share in (0.75, 0.5, 0.25))
    return red, green, blue
