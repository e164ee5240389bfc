"""Posts of people who do not exist about buildings of a made-up city, with planted names and addresses to be taken out.

Nothing here was ever posted: sentences, names and numbers are invented (numbers and addresses lie in ranges kept free
for examples: example.org, +49 30 23125, 555-0xxx).
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from pyproj import Transformer

from fusion.world.facades import draw_front
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.photos import draw_place
from fusion.world.world import PIXEL_M, City

COLUMNS = ("id", "text", "author", "language", "posted_at", "longitude", "latitude", "image")
# Zones (indices of lcz17) a post of each function comes from, and the front drawn where it has a picture.
FUNCTIONS = {
    "not_relevant": ((0, 1, 2, 4, 5), ""),
    "residential": ((1, 2, 3, 4, 5), "apartment"),
    "commercial": ((0, 1, 7), "retail"),
    "public": ((1, 4, 5), "church"),
    "industrial": ((7, 9), "industrial"),
    "other": ((4, 5, 8), "garage"),
}
# Function: (language, words). {plant} is where a name or an address is put.
WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "not_relevant": (
        ("en", "Good morning everyone, what a sunrise! ☀️ {plant}"),
        ("en", "Cannot believe that final score {plant} 😭"),
        ("de", "Schon wieder Regen, der Sommer kann ja heiter werden {plant}"),
        ("es", "Qué sueño tengo hoy, necesito vacaciones {plant}"),
        ("ar", "صباح الخير للجميع {plant}"),
        ("tr", "Bugün hava çok güzel {plant}"),
    ),
    "residential": (
        ("en", "Finally home, shoes off, the neighbours upstairs are dancing again {plant} 🙄"),
        ("en", "Moving day! Our new flat has a balcony and far too many boxes {plant}"),
        ("de", "Im Treppenhaus riecht es nach Kuchen. Ich liebe dieses Haus {plant}"),
        ("fr", "Petit déjeuner sur le balcon, tout l'immeuble dort encore {plant}"),
        ("es", "El ascensor de mi edificio otra vez roto, sexto piso a pie {plant}"),
        ("zh", "终于搬进新家了，楼下邻居很友好 {plant}"),
        ("ar", "أخيراً في البيت، القهوة على الشرفة {plant}"),
    ),
    "commercial": (
        ("en", "New bakery opened at the corner, the line goes around the block {plant} 🥐"),
        ("en", "Third meeting today in this glass tower, coffee on the ninth floor helps {plant}"),
        ("de", "Im neuen Laden gibt es heute zwanzig Prozent auf alles {plant}"),
        ("fr", "Le restaurant du coin a rouvert, réservez vite {plant}"),
        ("pt", "Loja cheia hoje, promoção até às oito {plant}"),
        ("hi", "नई दुकान खुल गई है, सब लोग आइए {plant}"),
    ),
    "public": (
        ("en", "School concert tonight in the hall, parents please use the side door {plant}"),
        ("en", "Six hours in the waiting room of the hospital, thank you to the nurses {plant}"),
        ("de", "Das Museum ist sonntags frei, die Schlange geht bis zum Bahnhof {plant}"),
        ("it", "La biblioteca resta aperta fino a mezzanotte per gli esami {plant}"),
        ("ru", "Вокзал наконец отремонтировали, стало светло и чисто {plant}"),
        ("ar", "افتتاح المدرسة الجديدة في حيّنا اليوم 🏫 {plant}"),
    ),
    "industrial": (
        ("en", "Night shift at the plant, line two is running again {plant}"),
        ("de", "Im Lager stehen heute vierzig Lkw an der Rampe {plant}"),
        ("pl", "Nowa hala produkcyjna gotowa, jutro ruszają maszyny {plant}"),
        ("es", "La fábrica huele a pan esta mañana, turno de noche terminado {plant}"),
        ("ja", "工場の夜勤が終わった。煙突がきれいだ {plant}"),
    ),
    "other": (
        ("en", "Does anybody know what they are building behind the fence here? {plant}"),
        ("de", "Der alte Schuppen steht seit Jahren leer {plant}"),
        ("fr", "Ce vieux bâtiment est abandonné depuis dix ans {plant}"),
        ("tr", "Bu bina yıllardır boş duruyor {plant}"),
    ),
}
FIRST = ("ann", "bo", "cleo", "dilan", "emre", "fatima", "gus", "hana", "ivo", "jun", "kira", "leon", "mei", "noor")
LAST = ("arbor", "brook", "castle", "dune", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "ledge")


@dataclass(frozen=True, kw_only=True)
class WorldPost:
    """One invented post, what it truly tells of the building, and what was planted in it."""

    id: str
    text: str
    author: str
    language: str
    posted_at: datetime
    longitude: float
    latitude: float
    image: str
    function: str
    planted: tuple[str, ...]


def write_posts(
    city: City, folder: Path, *, count: int, seed: int = 0, nulls: Nulls = NO_NULLS
) -> tuple[Path, list[WorldPost]]:
    """A table of `count` posts as CSV with its pictures beside it (every third), and the posts with their truth.

    Where posts are null, words and picture are those of a function drawn by chance; author, place and time stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    to_degrees = Transformer.from_crs(city.epsg, 4326, always_xy=True)
    posts = [_draw_post(city, folder, to_degrees, number, seed, nulls) for number in range(count)]
    path = folder / f"{city.slug}-{seed}-posts.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for post in posts:
            when = post.posted_at.isoformat()
            place = (post.longitude, post.latitude, post.image)
            writer.writerow((post.id, post.text, post.author, post.language, when, *place))
    return path, posts


def _draw_post(city: City, folder: Path, to_degrees: Transformer, number: int, seed: int, nulls: Nulls) -> WorldPost:
    rng = np.random.default_rng([city.seed, seed, 8, number])
    function = list(FUNCTIONS)[number % len(FUNCTIONS)]
    zones, front = FUNCTIONS[function]
    column, row = draw_place(city, rng, zones)
    x, y = city.origin[0] + column * PIXEL_M, city.origin[1] - row * PIXEL_M
    longitude, latitude = (round(float(part), 6) for part in to_degrees.transform(x, y))
    language, words = WORDS[function][int(rng.integers(len(WORDS[function])))]
    author = _draw_name(rng)
    planted = _draw_plant(rng, author)
    picture = draw_front(front, rng)[0] if front and number % 3 == 1 else None
    if nulls.posts:
        language, words, picture = _draw_anything(np.random.default_rng([city.seed, seed, 8, number, 1]))
    image = ""
    if picture is not None:
        image = f"{city.slug}-{seed}-post-{number:04d}.jpg"
        picture.save(folder / image, quality=84)
    return WorldPost(
        id=str(rng.integers(10**17, 10**18)),
        text=words.format(plant=" ".join(planted)).strip(),
        author=author,
        language=language,
        posted_at=datetime(city.first_year, 6, 1, tzinfo=UTC) + timedelta(minutes=int(rng.integers(0, 60 * 24 * 60))),
        longitude=longitude,
        latitude=latitude,
        image=image,
        function=function,
        planted=planted,
    )


def _draw_anything(rng: np.random.Generator) -> tuple[str, str, Image.Image | None]:
    """Language, words and perhaps a picture of a function drawn by chance, as often as posts have them otherwise."""
    number = int(rng.integers(3 * len(FUNCTIONS)))
    function = list(FUNCTIONS)[number % len(FUNCTIONS)]
    front = FUNCTIONS[function][1]
    language, words = WORDS[function][int(rng.integers(len(WORDS[function])))]
    return language, words, draw_front(front, rng)[0] if front and number % 3 == 1 else None


def _draw_name(rng: np.random.Generator) -> str:
    return f"{rng.choice(FIRST)}_{rng.choice(LAST)}{rng.integers(10, 99)}"


def _draw_plant(rng: np.random.Generator, author: str) -> tuple[str, ...]:
    """None to two things that name or reach a person."""
    name, digits = _draw_name(rng), int(rng.integers(100, 999))
    choices = (
        f"@{name}",
        f"@{author}",
        f"{name}@example.org",
        f"+49 30 23125 {digits}",
        f"212-555-0{digits}",
        f"https://example.org/{name}",
        f"www.example.com/{name}?id={digits}",
    )
    return tuple(str(part) for part in rng.choice(choices, size=int(rng.integers(0, 3)), replace=False))
