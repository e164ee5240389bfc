"""The 17 Local Climate Zones of Stewart and Oke (2012): codes as experts say them, WUDAPT colours, one key each.

`value` is the raster code of the LCZ Generator (1-17). Weights of partial credit are those of Bechtel, Demuzere and
Stewart (2020), Remote Sensing 12(11):1769, doi 10.3390/rs12111769, Figure 3: points for unequal openness, height
(one per step), land cover and surface objects (three per step), summed to 0-12, inverted and rounded as printed.
The figures were read from a public transcription of that table. The authors call it a revision: later fact sheets of
the LCZ Generator may weigh slightly differently.
"""

from fusion.scheme import LabelClass, Scheme

WHITE, BLACK = "#ffffff", "#000000"

# code, name, colour, ink, key
CLASSES = (
    ("1", "Compact high-rise", "#8c0000", WHITE, "1"),
    ("2", "Compact mid-rise", "#d10000", WHITE, "2"),
    ("3", "Compact low-rise", "#ff0000", BLACK, "3"),
    ("4", "Open high-rise", "#bf4d00", WHITE, "4"),
    ("5", "Open mid-rise", "#ff6600", BLACK, "5"),
    ("6", "Open low-rise", "#ff9955", BLACK, "6"),
    ("7", "Lightweight low-rise", "#faee05", BLACK, "7"),
    ("8", "Large low-rise", "#bcbcbc", BLACK, "8"),
    ("9", "Sparsely built", "#ffccaa", BLACK, "9"),
    ("10", "Heavy industry", "#555555", WHITE, "0"),
    ("A", "Dense trees", "#006a00", WHITE, "A"),
    ("B", "Scattered trees", "#00aa00", BLACK, "B"),
    ("C", "Bush, scrub", "#648525", BLACK, "C"),
    ("D", "Low plants", "#b9db79", BLACK, "D"),
    ("E", "Bare rock or paved", "#000000", WHITE, "E"),
    ("F", "Bare soil or sand", "#fbf7ae", BLACK, "F"),
    ("G", "Water", "#6a6aff", BLACK, "G"),
)

# What each looks like from above, in our words, after the definitions of Stewart and Oke 2012.
HELP = {
    "1": "Towers close together; long shadows; streets hardly seen; almost no green.",
    "2": "Closed blocks of 3 to 9 storeys around courtyards; narrow streets; few trees.",
    "3": "Small houses of 1 to 3 storeys wall to wall; a fine, dense grain; few trees.",
    "4": "Towers standing apart in lawns and trees; separate long shadows.",
    "5": "Slabs of 3 to 9 storeys set apart, with lawns, trees and parking between.",
    "6": "Detached or row houses with gardens; roofs and green mixed at fine grain.",
    "7": "Packed huts of light material; tiny bright or rusty roofs; bare, unpaved ground.",
    "8": "Large flat halls, shops or depots of 1 to 3 storeys; wide paved yards; few trees.",
    "9": "Single small or middle-sized buildings scattered over green or farmed land.",
    "10": "Plants with tanks, stacks, pipes and piles on paved or bare ground.",
    "A": "Closed crowns of forest or plantation; hardly any ground seen.",
    "B": "Single trees or groves over grass: open wood, orchard, park.",
    "C": "Low woody plants, open or patchy, on grass, soil or sand.",
    "D": "Grass, meadow or crops without trees; smooth, often in parcels.",
    "E": "Rock or asphalt and concrete with few plants and no buildings: apron, car park, quarry.",
    "F": "Open soil, sand or desert, or a field without crop; hardly any plants.",
    "G": "Sea, lake, river, reservoir or lagoon; dark and smooth.",
}

SIMILARITY = (
    (1.00, 0.92, 0.83, 0.67, 0.58, 0.50, 0.58, 0.75, 0.42, 0.75, 0.33, 0.25, 0.08, 0.00, 0.25, 0.00, 0.00),
    (0.92, 1.00, 0.92, 0.58, 0.67, 0.58, 0.67, 0.83, 0.42, 0.83, 0.42, 0.33, 0.25, 0.08, 0.33, 0.08, 0.08),
    (0.83, 0.92, 1.00, 0.50, 0.58, 0.67, 0.75, 0.92, 0.58, 0.92, 0.50, 0.42, 0.33, 0.17, 0.42, 0.17, 0.17),
    (0.67, 0.58, 0.50, 1.00, 0.92, 0.83, 0.75, 0.50, 0.75, 0.58, 0.50, 0.58, 0.50, 0.33, 0.08, 0.33, 0.33),
    (0.58, 0.67, 0.58, 0.92, 1.00, 0.92, 0.83, 0.67, 0.83, 0.67, 0.58, 0.67, 0.50, 0.42, 0.17, 0.42, 0.42),
    (0.50, 0.58, 0.67, 0.83, 0.92, 1.00, 0.92, 0.75, 0.92, 0.75, 0.67, 0.75, 0.67, 0.58, 0.25, 0.50, 0.50),
    (0.58, 0.67, 0.75, 0.75, 0.83, 0.92, 1.00, 0.67, 0.83, 0.67, 0.75, 0.67, 0.58, 0.42, 0.17, 0.42, 0.42),
    (0.75, 0.83, 0.92, 0.50, 0.67, 0.75, 0.67, 1.00, 0.75, 0.92, 0.42, 0.50, 0.42, 0.25, 0.50, 0.33, 0.33),
    (0.42, 0.42, 0.58, 0.75, 0.83, 0.92, 0.83, 0.75, 1.00, 0.67, 0.58, 0.67, 0.75, 0.58, 0.33, 0.58, 0.58),
    (0.75, 0.83, 0.92, 0.58, 0.67, 0.75, 0.67, 0.92, 0.67, 1.00, 0.42, 0.50, 0.42, 0.25, 0.50, 0.33, 0.33),
    (0.33, 0.42, 0.50, 0.50, 0.58, 0.67, 0.75, 0.42, 0.58, 0.42, 1.00, 0.92, 0.83, 0.67, 0.42, 0.67, 0.67),
    (0.25, 0.33, 0.42, 0.58, 0.67, 0.75, 0.67, 0.50, 0.67, 0.50, 0.92, 1.00, 0.92, 0.75, 0.50, 0.75, 0.75),
    (0.08, 0.25, 0.33, 0.50, 0.50, 0.67, 0.58, 0.42, 0.75, 0.42, 0.83, 0.92, 1.00, 0.83, 0.58, 0.83, 0.83),
    (0.00, 0.08, 0.17, 0.33, 0.42, 0.58, 0.42, 0.25, 0.58, 0.25, 0.67, 0.75, 0.83, 1.00, 0.75, 0.92, 0.92),
    (0.25, 0.33, 0.42, 0.08, 0.17, 0.25, 0.17, 0.50, 0.33, 0.50, 0.42, 0.50, 0.58, 0.75, 1.00, 0.75, 0.75),
    (0.00, 0.08, 0.17, 0.33, 0.42, 0.50, 0.42, 0.33, 0.58, 0.33, 0.67, 0.75, 0.83, 0.92, 0.75, 1.00, 0.92),
    (0.00, 0.08, 0.17, 0.33, 0.42, 0.50, 0.42, 0.33, 0.58, 0.33, 0.67, 0.75, 0.83, 0.92, 0.75, 0.92, 1.00),
)

SCHEME = Scheme(
    name="lcz17",
    title="Local Climate Zones",
    version=1,
    classes=tuple(
        LabelClass(
            code=code,
            name=name,
            colour=colour,
            ink=ink,
            key=key,
            group="natural" if code.isalpha() else "built",
            value=value,
            help=HELP[code],
        )
        for value, (code, name, colour, ink, key) in enumerate(CLASSES, start=1)
    ),
    similarity=SIMILARITY,
    source=(
        "Classes: Stewart and Oke 2012, doi 10.1175/BAMS-D-11-00019.1. Colours: WUDAPT. "
        "Weights: Bechtel, Demuzere and Stewart 2020, Remote Sensing 12(11):1769, doi 10.3390/rs12111769, Figure 3."
    ),
)
