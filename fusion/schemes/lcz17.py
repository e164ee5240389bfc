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

# Reference cards: what it looks like from above at 10 m and from the street, and the zones it is most often mistaken
# for. Facts (storeys, cover, materials) after Stewart and Oke 2012, Table 2; the words are ours. Look-alikes: zones
# one step apart in height or openness, and those that share a surface.
CARDS = {
    "1": (
        "Big bright and dark roofs side by side; shadows cover whole streets; hardly any plants.",
        "Towers of ten storeys or more on both sides; little sky; concrete, steel, stone and glass.",
        ("2", "4"),
    ),
    "2": (
        "Blocks with closed edges and small courts; an even grain; short shadows.",
        "Walls of 3 to 9 storeys without gaps along the street; stone, brick or tile; few trees.",
        ("1", "3", "5"),
    ),
    "3": (
        "A dense, fine mosaic of small roofs with narrow dark lanes; little green.",
        "Houses of 1 to 3 storeys touch or nearly so; walls straight at the street; paved ground.",
        ("2", "6", "7"),
    ),
    "4": (
        "Single large footprints with long separate shadows on lawns and trees.",
        "Towers of ten storeys or more with wide green or paved spaces between them; much sky.",
        ("1", "5"),
    ),
    "5": (
        "Bars and slabs in rows, grass and trees between them, parking along the edges.",
        "Buildings of 3 to 9 storeys set back from the street; lawns, single trees.",
        ("2", "4", "6"),
    ),
    "6": (
        "Small roofs along streets, each with green around it; red and green mixed in false colour.",
        "Houses of 1 to 3 storeys with gardens, hedges and trees; wood, brick or tile.",
        ("3", "5", "9"),
    ),
    "7": (
        "A very fine, irregular grain of tiny roofs; bare soil between; few straight streets.",
        "Huts of one or two storeys from sheet metal, thatch or wood, wall to wall; hard-packed earth.",
        ("3", "F"),
    ),
    "8": (
        "Large plain bright or dark rectangles with wide grey yards; almost no plants.",
        "Halls, supermarkets or depots of 1 to 3 storeys; car parks, loading gates, few trees.",
        ("10", "E", "5"),
    ),
    "9": (
        "Single roofs far apart in fields, meadow or wood; mostly plants.",
        "A house or farm here and there; open natural or farmed land around it.",
        ("6", "D", "B"),
    ),
    "10": (
        "Round tanks, long sheds, pipes, rails and heaps; bright in radar; bare or paved ground.",
        "Works with towers, tanks and stacks; steel and concrete; hardly any plants.",
        ("8", "E"),
    ),
    "A": (
        "An even, dark, rough cover; strong red in false colour; green in radar.",
        "Closed forest; little light on the ground.",
        ("B",),
    ),
    "B": (
        "Dots and groups of crowns with grass seen between them.",
        "Trees with open grass: park, orchard, savanna.",
        ("A", "C", "D", "9"),
    ),
    "C": (
        "A mottled, dull cover between that of trees and that of grass; soil shines through.",
        "Bushes and low woody plants about as high as a person; bare ground between.",
        ("B", "D", "F"),
    ),
    "D": (
        "Smooth fields, often with straight edges; bright red in false colour in the growing season.",
        "Grass or crops to the horizon; few or no trees.",
        ("F", "C", "B"),
    ),
    "E": (
        "Bright or dark ground without grain of buildings: apron, quarry, lava, large car park.",
        "Rock or a paved plain; few plants, no buildings.",
        ("8", "F", "10"),
    ),
    "F": (
        "Bright yellow or brown smooth ground; no red in false colour; pink in short-wave infrared.",
        "Open soil, sand or a ploughed field; few or no plants.",
        ("D", "E"),
    ),
    "G": (
        "Black in near infrared; smooth; sharp shore.",
        "Open water: sea, lake, river, basin.",
        ("F",),
    ),
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
            aerial=CARDS[code][0],
            ground=CARDS[code][1],
            confused_with=CARDS[code][2],
        )
        for value, (code, name, colour, ink, key) in enumerate(CLASSES, start=1)
    ),
    similarity=SIMILARITY,
    source=(
        "Classes: Stewart and Oke 2012, doi 10.1175/BAMS-D-11-00019.1. Colours: WUDAPT. "
        "Weights: Bechtel, Demuzere and Stewart 2020, Remote Sensing 12(11):1769, doi 10.3390/rs12111769, Figure 3."
    ),
)
