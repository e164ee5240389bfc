"""What a post tells of the building at its place: nothing, or the building's function.

The functions are those of the group's studies of posts and buildings: commercial and residential (Häberle et al. 2019),
with public and industrial (Hoffmann et al. 2019), and a rest class (So2Sat building types). Descriptions are ours.
"""

from fusion.scheme import LabelClass, Scheme

WHITE, BLACK = "#ffffff", "#000000"

SCHEME = Scheme(
    name="post_building_function",
    title="What the post tells of the building",
    version=1,
    classes=(
        LabelClass(
            code="not_relevant",
            name="Not relevant",
            colour="#d0cdc6",
            ink=BLACK,
            key="0",
            group="not relevant",
            value=1,
            help="Tells nothing of the building at its place: greetings, opinions, the weather, advertising, traffic.",
            confused_with=("other",),
        ),
        LabelClass(
            code="residential",
            name="Living",
            colour="#f1c21b",
            ink=BLACK,
            key="1",
            group="function",
            value=2,
            help="People live there: home, flat, neighbours, waking up, the own kitchen or garden.",
            confused_with=("commercial", "not_relevant"),
        ),
        LabelClass(
            code="commercial",
            name="Trade and offices",
            colour="#0f62fe",
            ink=WHITE,
            key="2",
            group="function",
            value=3,
            help="Shop, restaurant, hotel, office, bank: goods, meals, a desk, customers.",
            confused_with=("public", "residential"),
        ),
        LabelClass(
            code="public",
            name="Public",
            colour="#8a3ffc",
            ink=WHITE,
            key="3",
            group="function",
            value=4,
            help="School, hospital, station, museum, place of worship, sports ground, authority.",
            confused_with=("commercial",),
        ),
        LabelClass(
            code="industrial",
            name="Industry and storage",
            colour="#7d4e24",
            ink=WHITE,
            key="4",
            group="function",
            value=5,
            help="Works, warehouse, port, power station: shifts, machines, loading.",
            confused_with=("commercial",),
        ),
        LabelClass(
            code="other",
            name="Another or unclear",
            colour="#24a148",
            ink=BLACK,
            key="5",
            group="function",
            value=6,
            help="A building is meant, but its function is another or is not told.",
            confused_with=("not_relevant",),
        ),
    ),
    source=(
        "Functions: Häberle, Werner and Zhu 2019, European Journal of Remote Sensing 52 sup2; Hoffmann et al. 2019, "
        "Remote Sensing 11:1259; So2Sat building types. Descriptions, colours and keys: own."
    ),
)
