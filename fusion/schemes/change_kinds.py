"""What changed between two dates: the ground's use by a city, its bare soil, its water, or nothing."""

from fusion.scheme import LabelClass, Scheme

# Values are those of the published maps of Taizhou, where 2, 3 and 4 are not named. The names follow the order of the
# published legend and agree with the pixels: from 2000 to 2003, 2 grows bright in every band, 3 brightens in
# short-wave infrared alone and lies in one place, and of 4 the short-wave infrared falls to half, as water's does.
SCHEME = Scheme(
    name="change_kinds",
    title="Kinds of change",
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
            confused_with=("soil_change",),
        ),
        LabelClass(
            code="city_expansion",
            name="City expansion",
            colour="#b3261e",
            ink="#ffffff",
            key="E",
            group="changed",
            value=2,
            help="Fields or open land became buildings, roads or a building site: brighter in all bands.",
            confused_with=("soil_change", "unchanged"),
        ),
        LabelClass(
            code="soil_change",
            name="Soil change",
            colour="#8a5a00",
            ink="#ffffff",
            key="B",
            group="changed",
            value=3,
            help="Ground laid bare, or bare ground grown over: brighter, or darker, in short-wave infrared.",
            confused_with=("city_expansion", "unchanged"),
        ),
        LabelClass(
            code="water_change",
            name="Water change",
            colour="#1f5fbf",
            ink="#ffffff",
            key="W",
            group="changed",
            value=4,
            help="Land became water, or water land: dark in near and short-wave infrared at one date only.",
            confused_with=("unchanged",),
        ),
    ),
    source="Mou, Bruzzone & Zhu 2019, doi 10.1109/TGRS.2018.2863224; values of the published maps of Taizhou",
)
