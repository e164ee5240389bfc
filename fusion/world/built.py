"""The built classes 1-10: streets, lots, buildings, yards and trees of one neighbourhood."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.world.forms import FORMS, Form
from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray, hash_uniform
from fusion.world.site import CANOPY_SHADE, Drawing, Site, make_palette, pick


@dataclass(frozen=True, kw_only=True, eq=False)
class _Lots:
    """Block and lot (i, j) of each sub-pixel, metres from the lot's middle (u, v), and metres to the block's `edge`."""

    block: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
    i: npt.NDArray[np.int32]
    j: npt.NDArray[np.int32]
    u: FloatArray
    v: FloatArray
    sides: tuple[float, float]
    is_street: npt.NDArray[np.bool_]
    edge: FloatArray


def draw_built(site: Site) -> Drawing:
    """One neighbourhood of a built class."""
    form = FORMS[site.label]
    lots = _cut_lots(site, form)
    is_building = _place_buildings(site, form, lots)
    drawing = _draw_open_ground(site, form, lots.is_street)
    _draw_roofs(site, form, lots, is_building, drawing)
    return drawing


def _cut_lots(site: Site, form: Form) -> _Lots:
    along, across = site.rotate(form.warp_m)
    street = site.draw(form.street_m)
    block_i, in_u, lot_u, inner_u = _cut_axis(along, site.draw(form.block_m[0]), street, site.draw(form.lot_m[0]))
    # Rows of blocks are shifted against each other in some places, as bricks are.
    across_shift = across + np.float32(site.rng.choice([0.0, 0.0, 0.5])) * (block_i % 2) * site.draw(form.block_m[1])
    block_j, in_v, lot_v, inner_v = _cut_axis(
        across_shift, site.draw(form.block_m[1]), street, site.draw(form.lot_m[1])
    )
    i, u = _cut_lattice(in_u, lot_u)
    j, v = _cut_lattice(in_v, lot_v)
    return _Lots(
        block=(block_i, block_j),
        i=block_i * 64 + i,
        j=block_j * 64 + j,
        u=u - lot_u / 2,
        v=v - lot_v / 2,
        sides=(float(lot_u), float(lot_v)),
        is_street=(in_u < 0) | (in_v < 0),
        edge=np.minimum(np.minimum(in_u, inner_u - in_u), np.minimum(in_v, inner_v - in_v)),
    )


def _cut_axis(
    values: FloatArray, block: np.float32, street: np.float32, lot: np.float32
) -> tuple[npt.NDArray[np.int32], FloatArray, np.float32, np.float32]:
    """Block number, metres inside the block (negative on its street), a lot size that fits, and the block's length."""
    number, inside = _cut_lattice(values, block)
    inner = block - street
    return number, inside - street, np.float32(inner / max(1.0, np.floor(inner / lot))), inner


def _cut_lattice(values: FloatArray, step: np.float32) -> tuple[npt.NDArray[np.int32], FloatArray]:
    number = np.floor(values / step)
    return number.astype(np.int32), values - number * step


def _place_buildings(site: Site, form: Form, lots: _Lots) -> npt.NDArray[np.bool_]:
    size = 1 + np.float32(form.spread) * (hash_uniform(lots.i, lots.j, site.salt) - 1)
    half_u = size * np.float32(lots.sides[0] / 2) * site.draw(form.fill[0])
    half_v = size * np.float32(lots.sides[1] / 2) * site.draw(form.fill[1])
    free_u, free_v = np.float32(lots.sides[0] / 2) - half_u, np.float32(lots.sides[1] / 2) - half_v
    u = lots.u - np.float32(form.stray) * free_u * (2 * hash_uniform(lots.i, lots.j, site.salt + 7) - 1)
    v = lots.v - np.float32(form.stray) * free_v * (2 * hash_uniform(lots.i, lots.j, site.salt + 8) - 1)
    is_building = (np.abs(u) <= half_u) & (np.abs(v) <= half_v)
    if form.round_share[1] > 0:
        is_tank = hash_uniform(lots.i, lots.j, site.salt + 1) < site.draw(form.round_share)
        is_building &= ~is_tank | (u**2 + v**2 <= np.minimum(half_u, half_v) ** 2)
    if form.courtyard_m[1] > 0:
        is_building &= lots.edge < site.draw(form.courtyard_m)
    is_building &= hash_uniform(lots.i, lots.j, site.salt + 2) < site.draw(form.occupancy)
    if site.moment < 1:
        is_building &= _find_births(site, lots) <= site.moment
    return is_building & ~lots.is_street


def _find_births(site: Site, lots: _Lots) -> FloatArray:
    """The moment at which each lot was built on: 0 for what always stood.

    A third of the quarters grew (60 % of their lots are new), the others were filled in here and there (5 %):
    assumptions.
    """
    # A stream of its own, so that nothing else that is drawn here moves.
    share = np.random.default_rng([site.salt, 2]).choice([0.6, 0.05], p=[1 / 3, 2 / 3])
    is_new = hash_uniform(lots.i, lots.j, site.salt + 9) < np.float32(share)
    return np.where(is_new, np.maximum(hash_uniform(lots.i, lots.j, site.salt + 10), np.float32(1e-6)), np.float32(0))


def _draw_open_ground(site: Site, form: Form, is_street: npt.NDArray[np.bool_]) -> Drawing:
    noise = site.noise
    material = pick(make_palette(site.rng, form.yard, 1.0), noise["clump"])
    is_green = noise["crown"] < site.draw(form.green)
    grass = np.where(site.soften("patchy") < site.dryness * 0.8, INDEX["grass_dry"], INDEX["grass_green"])
    material = np.where(is_green, grass, material).astype(np.uint8)
    street = int(make_palette(site.rng, form.street, 0.5)[32])
    material[is_street] = street
    is_tree = noise["clump"] * 0.6 + noise["fine"] * 0.4 < _tree_level(site.draw(form.trees))
    is_tree &= ~is_street
    material[is_tree] = INDEX["tree_leafy"]
    height = np.where(is_tree, 7, 0).astype(np.uint8)
    tone = 0.85 + np.float32(0.3) * noise["fine"]
    tone[is_tree] *= CANOPY_SHADE
    return Drawing(material=material, height=height, tone=tone, lot=np.zeros(site.shape, dtype=np.uint32))


def _tree_level(cover: np.float32) -> np.float32:
    """Level below which 0.6 a + 0.4 b lies for about the share `cover` of uniform a, b (below 0.4: c = x^2 / 0.48)."""
    return np.float32(np.sqrt(0.48 * cover))


def _draw_roofs(site: Site, form: Form, lots: _Lots, is_building: npt.NDArray[np.bool_], drawing: Drawing) -> None:
    i, j = lots.i[is_building], lots.j[is_building]
    low, high = form.height_m
    block_i, block_j = (number[is_building] for number in lots.block)
    is_alike = hash_uniform(block_i, block_j, site.salt + 6) < form.alike
    roof_i, roof_j = np.where(is_alike, block_i, i), np.where(is_alike, block_j, j)
    drawing.material[is_building] = pick(
        make_palette(site.rng, form.roofs, 0.6), hash_uniform(roof_i, roof_j, site.salt + 3)
    )
    drawing.height[is_building] = (low + (high - low) * hash_uniform(i, j, site.salt + 4) ** 1.3).astype(np.uint8)
    if drawing.lot is not None:
        drawing.lot[is_building] = ((i + 0x8000).astype(np.uint32) << np.uint32(16)) + (j + 0x8000).astype(np.uint32)
    drawing.tone[is_building] = 0.75 + np.float32(0.5) * hash_uniform(roof_i, roof_j, site.salt + 5)
