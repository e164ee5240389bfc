"""Changed or unchanged between two dates."""

from fusion.scheme import LabelClass, Scheme

SCHEME = Scheme(
    name="change",
    title="Change",
    version=1,
    classes=(
        LabelClass(
            code="unchanged",
            name="Unchanged",
            colour="#d9d4c7",
            ink="#000000",
            key="U",
            group="unchanged",
            value=1,
            help="The ground is covered by the same at both dates; season, haze and crops that ripen are no change.",
            confused_with=("changed",),
        ),
        LabelClass(
            code="changed",
            name="Changed",
            colour="#b3261e",
            ink="#ffffff",
            key="C",
            group="changed",
            value=2,
            help="Something else covers the ground at the later date: built over, dug up, flooded or drained.",
            confused_with=("unchanged",),
        ),
    ),
    source="Mou, Bruzzone & Zhu 2019, doi 10.1109/TGRS.2018.2863224; values of the published maps of Taizhou",
)
