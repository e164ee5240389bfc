"""The land classes A-G: woods, parks, bush, fields, paved and bare ground, water."""

from collections.abc import Callable

import numpy as np

from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray, hash_uniform
from fusion.world.site import CANOPY_SHADE, Drawing, Site, make_palette, pick


def draw_land(site: Site) -> Drawing:
    """One neighbourhood of a land class."""
    return _DRAUGHTSMEN[site.label](site)


def _draw_woods(site: Site) -> Drawing:
    """A: closed canopy; crowns of uneven height with gaps."""
    crown, clump = site.noise["crown"], site.noise["clump"]
    palette = make_palette(site.rng, (("tree_leafy", 3), ("tree_conifer", 2)), 0.5)
    material = pick(palette, clump)
    material[site.noise["clump"] * 0.5 + crown * 0.5 > 1 - site.draw((0.05, 0.16))] = INDEX["grass_green"]
    height = (8 + 14 * crown).astype(np.uint8)
    height[material == INDEX["grass_green"]] = 0
    return Drawing(material=material, height=height, tone=CANOPY_SHADE * (0.75 + np.float32(0.5) * crown))


def _draw_park(site: Site) -> Drawing:
    """B: trees over grass, in groups or in the rows of an orchard."""
    drawing = _draw_meadow(site)
    if site.rng.random() < 0.4:
        along, across = site.rotate(8.0)
        step_u, step_v = site.draw((14, 26)), site.draw((14, 26))
        is_tree = (np.abs(along % step_u - step_u / 2) < 4) & (np.abs(across % step_v - step_v / 2) < 4)
        is_tree &= site.noise["clump"] < 0.9
    else:
        is_tree = site.noise["clump"] * 0.7 + site.noise["crown"] * 0.3 < site.draw((0.28, 0.42))
    drawing.material[is_tree] = INDEX["tree_leafy"]
    drawing.tone[is_tree] *= CANOPY_SHADE
    drawing.height[is_tree] = (7 + 9 * site.noise["crown"][is_tree]).astype(np.uint8)
    return drawing


def _draw_bush(site: Site) -> Drawing:
    """C: bushes a few metres wide over dry grass and soil."""
    floor = make_palette(site.rng, (("grass_dry", 3), ("soil_light", 2), ("soil_dark", 1), ("grass_green", 0.4)), 0.7)
    material = pick(floor, site.soften("patchy"))
    mix = site.noise["crown"] * 0.8 + site.noise["fine"] * 0.1 + site.noise["clump"] * 0.1
    is_bush = mix < site.draw((0.42, 0.58))
    material[is_bush] = INDEX["bush"]
    height = np.where(is_bush, 2, 0).astype(np.uint8)
    tone = 0.85 + np.float32(0.3) * site.noise["fine"]
    tone[is_bush] *= CANOPY_SHADE
    return Drawing(material=material, height=height, tone=tone)


def _draw_fields(site: Site) -> Drawing:
    """D: parcels with one crop each, or a meadow."""
    if site.rng.random() < 0.25:
        return _draw_meadow(site)
    along, across = site.rotate(10.0)
    side_u, side_v = site.draw((60, 160)), site.draw((90, 300))
    i, j = np.floor(along / side_u).astype(np.int32), np.floor(across / side_v).astype(np.int32)
    crops = (("crop_green", 3), ("crop_ripe", 2), ("grass_green", 2), ("stubble", 1.5), ("grass_dry", 1))
    material = pick(make_palette(site.rng, crops, 0.8), hash_uniform(i, j, site.salt))
    is_track = (along % side_u < 4) & (hash_uniform(i, j * 0, site.salt + 1) < 0.5)
    material[is_track] = INDEX["grass_dry"]
    vigour = 0.85 + np.float32(0.3) * hash_uniform(i, j, site.salt + 2)
    return Drawing(
        material=material, height=np.zeros(site.shape, np.uint8), tone=vigour + np.float32(0.1) * site.noise["patchy"]
    )


def _draw_meadow(site: Site) -> Drawing:
    is_dry = site.soften("broad") < site.dryness * 0.85
    material = np.where(is_dry, INDEX["grass_dry"], INDEX["grass_green"]).astype(np.uint8)
    return Drawing(
        material=material,
        height=np.zeros(site.shape, np.uint8),
        tone=0.9 + np.float32(0.15) * site.noise["broad"] + np.float32(0.05) * site.noise["fine"],
    )


def _draw_bare_hard(site: Site) -> Drawing:
    """E: rock, or a paved yard with lanes and rows of parked cars."""
    if site.rng.random() < 0.4:
        return _draw_rock(site)
    along, across = site.rotate(0.0)
    step_u, step_v = site.draw((100, 400)), site.draw((60, 200))
    i, j = np.floor(along / step_u).astype(np.int32), np.floor(across / step_v).astype(np.int32)
    shares = (("asphalt_worn", 3), ("concrete", 2), ("asphalt_fresh", 1), ("gravel", 1))
    material = pick(make_palette(site.rng, shares, 0.12), hash_uniform(i, j, site.salt))
    is_row = (across % 18 < 5) & (hash_uniform(i, j, site.salt + 1) < site.draw((0.1, 0.6)))
    is_car = is_row & (site.noise["fine"] < 0.5)
    material[is_car] = pick(make_palette(site.rng, (("roof_metal", 2), ("roof_slate", 2)), 1.0), site.noise["fine"])[
        is_car
    ]
    material[(along % step_u < 5) & (site.noise["patchy"] < 0.5)] = INDEX["grass_dry"]
    tone = 0.92 + np.float32(0.16) * hash_uniform(i, j, site.salt + 2) + np.float32(0.05) * site.noise["fine"]
    return Drawing(material=material, height=np.where(is_car, 1, 0).astype(np.uint8), tone=tone)


def _draw_rock(site: Site) -> Drawing:
    shares = (("rock", 4), ("gravel", 1), ("soil_light", 0.5))
    material = pick(make_palette(site.rng, shares, 2.0), site.noise["clump"])
    material[(site.noise["crown"] < 0.06)] = INDEX["grass_dry"]
    return Drawing(
        material=material,
        height=(4 * site.noise["clump"]).astype(np.uint8),
        tone=0.75 + np.float32(0.5) * site.noise["clump"],
    )


def _draw_bare_soft(site: Site) -> Drawing:
    """F: ploughed land, or sand in dunes, or dug ground."""
    palette = make_palette(site.rng, (("soil_dark", 2), ("soil_light", 3), ("sand", 1.5)), 0.3)
    material = pick(palette, site.soften("broad"))
    along, _ = site.rotate(30.0)
    ripple = np.sin(along * np.float32(2 * np.pi) / site.draw((25, 70)))
    tone = 0.95 + site.draw((0.02, 0.12)) * ripple + np.float32(0.15) * (site.noise["patchy"] - 0.5)
    material[site.noise["crown"] < site.draw((0.0, 0.05))] = INDEX["grass_dry"]
    return Drawing(material=material, height=np.zeros(site.shape, np.uint8), tone=tone.astype(np.float32))


def _draw_water(site: Site) -> Drawing:
    """G: clear to turbid water, in slow plumes."""
    is_turbid = site.soften("broad") < site.draw((0.0, 1.0))
    material = np.where(is_turbid, INDEX["water_turbid"], INDEX["water_clear"]).astype(np.uint8)
    tone: FloatArray = np.full(site.shape, site.draw((0.7, 1.3)), dtype=np.float32)
    return Drawing(material=material, height=np.zeros(site.shape, np.uint8), tone=tone)


_DRAUGHTSMEN: dict[int, Callable[[Site], Drawing]] = {
    10: _draw_woods,
    11: _draw_park,
    12: _draw_bush,
    13: _draw_fields,
    14: _draw_bare_hard,
    15: _draw_bare_soft,
    16: _draw_water,
}
