"""Null worlds: one effect of the made-up world switched off, so that a model's gain from it must vanish there."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Nulls:
    """What this world does not tell; everything that is not switched off keeps its bytes.

    `seasons`: every season shows what summer shows. `posts`: words and pictures of posts are drawn without regard to
    the building's function. `photos`: fronts are drawn without regard to the building's class. `radar`: backscatter is
    the city's mean everywhere. `heights`: nothing stands above the ground, in heights and point clouds (shadows in
    optical images stay). `change`: every date shows the grown city. `spectra`: a hyperspectral cube holds no more than
    the ten bands of Sentinel-2 do.
    """

    seasons: bool = False
    posts: bool = False
    photos: bool = False
    radar: bool = False
    heights: bool = False
    change: bool = False
    spectra: bool = False


NO_NULLS = Nulls()
