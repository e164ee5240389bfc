"""How each built class is laid out: streets, lots, buildings, heights and ground, drawn within published ranges.

Surface fractions and heights follow Stewart and Oke 2012, Local Climate Zones for Urban Temperature Studies, BAMS
93(12), doi 10.1175/BAMS-D-11-00019.1, table 3. Block, street and lot sizes are assumptions that give those fractions.
"""

from dataclasses import dataclass

Range = tuple[float, float]
Shares = tuple[tuple[str, float], ...]

_MIXED_ROOFS: Shares = (
    ("roof_tile", 3),
    ("roof_tar", 2),
    ("roof_gravel", 2),
    ("roof_slate", 2),
    ("roof_white", 0.5),
    ("roof_metal", 1),
)
_SHACK_ROOFS: Shares = (("roof_rust", 3), ("roof_metal", 2), ("roof_tar", 1), ("roof_tile", 1), ("roof_blue", 0.5))
_HALL_ROOFS: Shares = (
    ("roof_white", 1.5),
    ("roof_gravel", 2),
    ("roof_metal", 2),
    ("roof_tar", 2),
    ("roof_blue", 0.7),
    ("roof_slate", 1),
)
_PAVED: Shares = (("asphalt_worn", 3), ("concrete", 2), ("gravel", 1), ("asphalt_fresh", 1))


@dataclass(frozen=True, kw_only=True)
class Form:
    """Ranges for one class, in metres and shares. A block holds lots, a lot holds at most one building.

    `fill` is the building's share of its lot along each side, `courtyard_m` the depth of a closed row of houses around
    a court (0: none), `round_share` the share of tanks, `spread` how much single buildings differ in size, `alike` the
    share of blocks built at one time under one kind of roof, `stray` how far a building leaves the middle of its lot
    (1: to its edge), `warp_m` how far streets wander, `yard` what lies between buildings, `green` the share of that
    which is grass, and `trees` the share of open ground under crowns.
    """

    block_m: tuple[Range, Range]
    street_m: Range
    lot_m: tuple[Range, Range]
    fill: tuple[Range, Range]
    occupancy: Range
    height_m: Range
    roofs: Shares
    yard: Shares
    green: Range
    trees: Range
    street: Shares = (("asphalt_worn", 3), ("asphalt_fresh", 2))
    courtyard_m: Range = (0, 0)
    round_share: Range = (0, 0)
    spread: float = 0.2
    alike: float = 0.0
    stray: float = 0.0
    warp_m: float = 6.0


FORMS: dict[int, Form] = {
    0: Form(  # 1 compact high-rise
        block_m=((75, 110), (75, 130)),
        street_m=(14, 20),
        lot_m=((28, 45), (28, 45)),
        fill=((0.85, 1.0), (0.85, 1.0)),
        occupancy=(0.8, 0.95),
        height_m=(25, 110),
        spread=0.12,
        alike=0.1,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.0, 0.3),
        trees=(0.0, 0.12),
    ),
    1: Form(  # 2 compact mid-rise
        block_m=((70, 110), (80, 130)),
        street_m=(10, 14),
        lot_m=((16, 26), (16, 26)),
        fill=((0.97, 1.0), (0.97, 1.0)),
        occupancy=(0.95, 1.0),
        height_m=(12, 24),
        spread=0.05,
        alike=0.8,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.1, 0.5),
        trees=(0.02, 0.15),
        courtyard_m=(15, 21),
    ),
    2: Form(  # 3 compact low-rise
        block_m=((32, 50), (60, 120)),
        street_m=(5, 8),
        lot_m=((9, 13), (12, 17)),
        fill=((0.85, 0.97), (0.75, 0.92)),
        occupancy=(0.85, 0.97),
        height_m=(3, 10),
        spread=0.15,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.0, 0.35),
        trees=(0.0, 0.1),
    ),
    3: Form(  # 4 open high-rise
        block_m=((150, 240), (150, 240)),
        street_m=(12, 18),
        lot_m=((55, 80), (55, 80)),
        fill=((0.48, 0.68), (0.48, 0.68)),
        occupancy=(0.75, 0.95),
        height_m=(28, 75),
        stray=0.15,
        alike=0.7,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.3, 0.75),
        trees=(0.05, 0.35),
    ),
    4: Form(  # 5 open mid-rise
        block_m=((140, 220), (110, 170)),
        street_m=(9, 14),
        lot_m=((55, 85), (36, 50)),
        fill=((0.78, 0.94), (0.36, 0.48)),
        occupancy=(0.85, 0.98),
        height_m=(11, 22),
        alike=0.85,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.35, 0.75),
        trees=(0.05, 0.35),
    ),
    5: Form(  # 6 open low-rise
        block_m=((60, 90), (110, 200)),
        street_m=(7, 10),
        lot_m=((18, 27), (24, 34)),
        fill=((0.55, 0.75), (0.48, 0.64)),
        occupancy=(0.85, 0.98),
        height_m=(4, 9),
        stray=0.5,
        alike=0.1,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.5, 0.9),
        trees=(0.05, 0.35),
    ),
    6: Form(  # 7 lightweight low-rise
        block_m=((35, 90), (35, 90)),
        street_m=(3, 4),
        lot_m=((5, 8), (5, 8)),
        fill=((0.92, 1.0), (0.92, 1.0)),
        occupancy=(0.88, 0.97),
        height_m=(2, 4),
        roofs=_SHACK_ROOFS,
        yard=(("soil_light", 3), ("soil_dark", 2)),
        green=(0.0, 0.25),
        trees=(0.0, 0.1),
        street=(("soil_light", 2), ("soil_dark", 2)),
        spread=0.15,
        warp_m=25.0,
    ),
    7: Form(  # 8 large low-rise
        block_m=((200, 340), (180, 300)),
        street_m=(12, 20),
        lot_m=((100, 170), (90, 150)),
        fill=((0.65, 0.85), (0.6, 0.8)),
        occupancy=(0.75, 0.95),
        height_m=(4, 11),
        roofs=_HALL_ROOFS,
        yard=_PAVED,
        green=(0.05, 0.35),
        trees=(0.0, 0.05),
        warp_m=2.0,
    ),
    8: Form(  # 9 sparsely built
        block_m=((220, 420), (220, 420)),
        street_m=(5, 7),
        lot_m=((45, 75), (45, 75)),
        fill=((0.36, 0.5), (0.36, 0.5)),
        occupancy=(0.75, 0.95),
        height_m=(3, 9),
        stray=0.6,
        roofs=_MIXED_ROOFS,
        yard=_PAVED,
        green=(0.9, 1.0),
        trees=(0.1, 0.35),
        spread=0.2,
        warp_m=20.0,
    ),
    9: Form(  # 10 heavy industry
        block_m=((230, 380), (200, 340)),
        street_m=(10, 16),
        lot_m=((35, 70), (35, 70)),
        fill=((0.6, 0.9), (0.6, 0.9)),
        occupancy=(0.55, 0.75),
        height_m=(6, 30),
        stray=0.3,
        roofs=(*_HALL_ROOFS, ("roof_rust", 2)),
        yard=(("concrete", 2), ("gravel", 3), ("soil_dark", 2), ("asphalt_worn", 2)),
        green=(0.05, 0.3),
        trees=(0.0, 0.06),
        round_share=(0.4, 0.7),
        spread=0.3,
        warp_m=2.0,
    ),
}
