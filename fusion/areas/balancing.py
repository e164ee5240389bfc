"""How many patches come out of areas: each class near its target, the areas of a class in equal shares."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from shapely.geometry.base import BaseGeometry

from fusion.areas.ground import Area, Overlap, find_fault, part_ground
from fusion.areas.patches import Patch, lay_patches, part_patches
from fusion.errors import BadInputError
from fusion.grid import check_size


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How many patches come out of areas. Nothing here is So2Sat's own number.

    `target` patches per class, None for as many as the middle class has on the grid; `most_per_area` bounds one area;
    `least_share` of a patch lies in its area; rare classes are laid at strides down to `finest_m`.
    """

    size_m: int = 320
    pixels: int = 32
    target: int | None = None
    most_per_area: int | None = None
    least_share: float = 1.0
    finest_m: int = 80
    seed: int = 0

    def __post_init__(self) -> None:
        check_size(self.size_m)
        if self.pixels < 1:
            raise BadInputError(f"A patch of {self.pixels} pixels cannot be cut; give 1 or more.")
        if not 0 < self.least_share <= 1:
            raise BadInputError(
                f"The share of a patch inside its area lies above 0 and up to 1; got {self.least_share}."
            )
        for name in ("target", "most_per_area"):
            if (given := getattr(self, name)) is not None and given < 1:
                raise BadInputError(f"{name} must be 1 or more; got {given}.")
        if not 0 < self.finest_m <= self.size_m:
            raise BadInputError(f"The finest stride lies above 0 m and up to {self.size_m} m; got {self.finest_m}.")

    @property
    def strides_m(self) -> list[int]:
        """The patch's side, its half, its quarter, ...: whole pixels, on the grid of that size, no finer than asked."""
        strides, stride = [self.size_m], self.size_m // 2
        while (
            stride >= self.finest_m
            and self.size_m % stride == 0
            and stride % 10 == 0
            and stride * self.pixels % self.size_m == 0
        ):
            strides.append(stride)
            stride //= 2
        return strides


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """The patches by area and place; what was refused, with the reason by id; and the areas that hold no patch.

    `stride_m` says how densely each class was laid; a class with fewer patches than `target` has no more ground.
    """

    patches: tuple[Patch, ...]
    target: int
    stride_m: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    overlaps: tuple[Overlap, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Patches of each class."""
        codes = [patch.code for patch in self.patches]
        return {code: codes.count(code) for code in self.stride_m}


def sample_areas(areas: Sequence[Area], balance: Balance) -> Sampled:
    """Patches inside areas, balanced by class. The same areas and seed give the same patches, in whatever order.

    A bad area is refused with its reason and spoils no other. Ground that two classes claim is left out and named; of
    ground that areas of one class share, the first by id keeps it, so that no patch belongs to two groups.
    """
    if twice := [name for name, count in Counter(area.id for area in areas).items() if count > 1]:
        raise BadInputError(f"Area {twice[0]!r} is named twice; give each its own id.")
    faults = {area.id: find_fault(area) for area in areas}
    sound = sorted((area for area in areas if not faults[area.id]), key=lambda area: area.id)
    grounds, overlaps = part_ground(sound)
    codes = sorted({area.code for area in sound})
    classes = {code: {area.id: area for area in sound if area.code == code} for code in codes}
    on_grid = {area.id: _lay(area, grounds, balance, balance.size_m) for area in sound}
    target = balance.target or _middle([sum(len(on_grid[name]) for name in own) for own in classes.values()])
    patches: list[Patch] = []
    stride_m = {}
    for code, own in classes.items():
        chosen, stride_m[code] = _sample_class(own, grounds, on_grid, balance, target)
        patches += chosen
    kept = sorted(patches if balance.least_share == 1 else part_patches(patches))
    held = {patch.area for patch in kept}
    return Sampled(
        patches=tuple(kept),
        target=target,
        stride_m=stride_m,
        refused={name: fault for name, fault in faults.items() if fault},
        overlaps=tuple(overlaps),
        empty=tuple(area.id for area in sound if area.id not in held),
    )


def _sample_class(
    areas: dict[str, Area],
    grounds: dict[str, BaseGeometry],
    on_grid: dict[str, list[Patch]],
    balance: Balance,
    target: int,
) -> tuple[list[Patch], int]:
    """Patches of one class, near its target, and the stride at which they were laid."""
    most = min(balance.most_per_area or target, target)
    found = {name: list(on_grid[name]) for name in areas}
    stride = balance.size_m
    for finer in balance.strides_m[1:]:
        if sum(min(most, len(patches)) for patches in found.values()) >= target:
            break
        stride = finer
        for name, area in areas.items():
            if len(found[name]) < most:
                found[name] = _lay(area, grounds, balance, finer)
    shares = _deal({name: min(most, len(patches)) for name, patches in found.items()}, target)
    chosen = [patch for name, count in shares.items() for patch in _arrange(found[name], balance)[:count]]
    return chosen, stride


def _lay(area: Area, grounds: dict[str, BaseGeometry], balance: Balance, stride_m: int) -> list[Patch]:
    return lay_patches(
        area, grounds[area.id], size_m=balance.size_m, stride_m=stride_m, least_share=balance.least_share
    )


def _deal(have: dict[str, int], target: int) -> dict[str, int]:
    """Equal shares of a target; what an area has not, the others give."""
    shares, left = {}, target
    for place, name in enumerate(sorted(have, key=lambda name: (have[name], name))):
        shares[name] = min(have[name], left // (len(have) - place))
        left -= shares[name]
    return shares


def _arrange(patches: list[Patch], balance: Balance) -> list[Patch]:
    """Those of the coarser strides first, drawn by seed and area within each; more patches keep those of fewer."""
    if not patches:
        return []
    name = int.from_bytes(hashlib.sha256(patches[0].area.encode()).digest()[:8])
    level = np.array([_level(patch, balance) for patch in patches])
    chance = np.empty(len(patches))
    for each in np.unique(level).tolist():
        rows = np.flatnonzero(level == each)
        chance[rows] = np.random.default_rng([balance.seed, name, each]).random(len(rows))
    return [patches[row] for row in np.lexsort((chance, level))]


def _level(patch: Patch, balance: Balance) -> int:
    """0 on the grid, 1 on the lattice of half the side, ..."""
    on = (
        level for level, stride in enumerate(balance.strides_m) if not (patch.west_m % stride or patch.south_m % stride)
    )
    return next(on)


def _middle(counts: Sequence[int]) -> int:
    """The median of what classes have on the grid, those without anything left out; at least 1."""
    some = [count for count in counts if count]
    return int(np.median(some)) if some else 1
