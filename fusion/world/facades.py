"""Drawn fronts of buildings, one form per class of building_use: enough of each to be told from the street."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 960, 720  # drawn at one and a half times the size that is kept
KEPT = (640, 480)
BASE = int(HEIGHT * 0.80)  # where the wall meets the ground
Colour = tuple[int, int, int]
Range = tuple[float, float]
Box = tuple[float, float, float, float]
GLASS, DARK_GLASS, WOOD = (96, 118, 138), (58, 74, 92), (92, 66, 46)


@dataclass(frozen=True, kw_only=True)
class Front:
    """One class: storeys and metres, walls, windows (shares of a bay and a storey), roof, what is at street level.

    All figures are assumptions, chosen so that the classes look as their definitions say.
    """

    storeys: tuple[int, int]
    storey_m: float
    width_m: Range
    bay_m: float
    walls: tuple[Colour, ...]
    window: tuple[float, float]
    roof: Literal["flat", "gable", "canopy"]
    street: Literal["door", "shop", "gates", "lobby", "portal", "open"]
    has_balconies: bool = False
    has_tower: bool = False
    has_chimney: bool = False
    has_garden: bool = False
    roofs: tuple[Colour, ...] = ((128, 62, 48), (92, 58, 52), (74, 76, 82))


PLASTER = ((222, 210, 188), (206, 196, 182), (228, 220, 206), (196, 176, 150))
BRICK = ((150, 84, 66), (132, 76, 62), (168, 104, 80))
METAL = ((168, 174, 178), (142, 150, 156), (180, 176, 164))
FRONTS: dict[str, Front] = {
    "apartment": Front(
        storeys=(4, 6), storey_m=2.9, width_m=(20, 26), bay_m=3.2, walls=PLASTER + BRICK, window=(0.5, 0.55),
        roof="flat", street="door", has_balconies=True,
    ),
    "house": Front(
        storeys=(1, 2), storey_m=2.9, width_m=(9, 12), bay_m=3.0, walls=PLASTER + BRICK, window=(0.42, 0.5),
        roof="gable", street="door", has_garden=True,
    ),
    "garage": Front(
        storeys=(1, 1), storey_m=3.0, width_m=(9, 18), bay_m=3.0, walls=PLASTER + METAL, window=(0.0, 0.0),
        roof="flat", street="gates",
    ),
    "retail": Front(
        storeys=(1, 2), storey_m=4.2, width_m=(18, 26), bay_m=5.0, walls=PLASTER, window=(0.3, 0.3),
        roof="flat", street="shop",
    ),
    "office_building": Front(
        storeys=(5, 6), storey_m=3.3, width_m=(20, 26), bay_m=1.8, walls=((168, 180, 190), (136, 146, 158)),
        window=(0.92, 0.62), roof="flat", street="lobby",
    ),
    "industrial": Front(
        storeys=(1, 1), storey_m=9.0, width_m=(22, 28), bay_m=6.5, walls=METAL + BRICK, window=(0.6, 0.12),
        roof="flat", street="gates", has_chimney=True,
    ),
    "church": Front(
        storeys=(1, 1), storey_m=8.0, width_m=(14, 18), bay_m=3.4, walls=PLASTER + BRICK, window=(0.3, 0.6),
        roof="gable", street="portal", has_tower=True,
    ),
    "roof": Front(
        storeys=(1, 1), storey_m=5.0, width_m=(18, 24), bay_m=6.0, walls=((232, 232, 230),), window=(0.0, 0.0),
        roof="canopy", street="open", roofs=((206, 44, 44), (34, 96, 178), (38, 138, 78)),
    ),
}  # fmt: skip


def draw_front(code: str, rng: np.random.Generator) -> tuple[Image.Image, Box]:
    """A picture of a building of this class, and the box around it in fractions of the picture."""
    front = FRONTS[code]
    image = _draw_sky(rng)
    pen = ImageDraw.Draw(image)
    _draw_ground(pen, rng, has_garden=front.has_garden)
    _draw_skyline(pen, rng)
    pixels_m = rng.uniform(25, 29)
    box = _Builder(pen=pen, rng=rng, front=front, pixels_m=pixels_m).draw()
    _draw_street(pen, rng, pixels_m)
    return _expose(image, rng), (box[0] / WIDTH, box[1] / HEIGHT, box[2] / WIDTH, box[3] / HEIGHT)


@dataclass(kw_only=True)
class _Builder:
    """Draws one building from the ground up."""

    pen: ImageDraw.ImageDraw
    rng: np.random.Generator
    front: Front
    pixels_m: float

    def draw(self) -> tuple[float, float, float, float]:
        front, rng = self.front, self.rng
        storeys = int(rng.integers(front.storeys[0], front.storeys[1] + 1))
        width = rng.uniform(*front.width_m) * self.pixels_m
        self.left = (WIDTH - width) / 2 + rng.uniform(-40, 40)
        self.right = self.left + width
        self.storey = front.storey_m * self.pixels_m
        self.top = BASE - storeys * self.storey
        self.wall = _pick(rng, front.walls)
        self.cap = _pick(rng, front.roofs)
        highest = self.top
        if front.has_tower:
            highest = min(highest, self._draw_tower())
        if front.has_chimney:
            highest = min(highest, self._draw_chimney())
        if front.roof != "canopy":
            self.pen.rectangle((self.left, self.top, self.right, BASE), fill=self.wall)
        highest = min(highest, self._draw_roof())
        self._draw_bays(storeys)
        return max(self.left, 0), max(highest, 0), min(self.right, WIDTH), BASE

    def _draw_roof(self) -> float:
        edge = 0.5 * self.pixels_m
        if self.front.roof == "gable":
            ridge = self.top - (self.right - self.left) * self.rng.uniform(0.28, 0.4)
            middle = (self.left + self.right) / 2
            eaves = [(self.left - edge, self.top), (middle, ridge), (self.right + edge, self.top)]
            self.pen.polygon(eaves, fill=self.cap)
            self.left, self.right = self.left - edge, self.right + edge
            return ridge
        thick = (1.1 if self.front.roof == "canopy" else 0.35) * self.pixels_m
        self.pen.rectangle((self.left, self.top - thick, self.right, self.top), fill=self.cap)
        if self.front.roof == "canopy":
            self.pen.rectangle((self.left, self.top - thick * 0.35, self.right, self.top), fill=(240, 240, 238))
        return self.top - thick

    def _draw_bays(self, storeys: int) -> None:
        bays = max(2, round((self.right - self.left) / (self.front.bay_m * self.pixels_m)))
        step = (self.right - self.left) / bays
        door = bays // 2
        for storey in range(storeys):
            top = BASE - (storey + 1) * self.storey
            for bay in range(bays):
                cell = (self.left + bay * step, top, self.left + (bay + 1) * step, top + self.storey)
                if storey == 0 and self._draw_street_level(cell, is_door=bay == door):
                    continue
                self._draw_window(cell, has_balcony=self.front.has_balconies and storey > 0 and bay % 3 == 1)

    def _draw_window(self, cell: Box, *, has_balcony: bool) -> None:
        wide, high = self.front.window
        if not wide:
            return
        x0, y0, x1, y1 = _inner(cell, wide, high)
        glass = GLASS if self.rng.random() < 0.7 else DARK_GLASS
        if self.front.street == "portal":
            self.pen.ellipse((x0, y0 - (x1 - x0) / 2, x1, y0 + (x1 - x0) / 2), fill=DARK_GLASS)
        self.pen.rectangle((x0, y0, x1, y1), fill=glass, outline=(238, 236, 230), width=3)
        if has_balcony:
            rail = y1 - (y1 - y0) * 0.1
            self.pen.rectangle((x0 - 14, rail, x1 + 14, y1 + 16), fill=(150, 150, 150), outline=(90, 90, 90), width=2)

    def _draw_street_level(self, cell: Box, *, is_door: bool) -> bool:
        """What stands at the street in this bay; False where it is a window as above."""
        kind, pen = self.front.street, self.pen
        x0, y0, x1, y1 = _inner(cell, 0.86, 0.8, at_bottom=True)
        if kind == "open":
            middle = (x0 + x1) / 2
            pen.rectangle((middle - 8, cell[1], middle + 8, BASE), fill=(214, 214, 212))
            pen.rectangle((middle - 26, BASE - 48, middle + 26, BASE), fill=self.cap)
        elif kind == "gates":
            pen.rectangle(
                (x0, max(y0, BASE - 2.6 * self.pixels_m), x1, y1), fill=(206, 208, 210), outline=(110, 112, 116)
            )
            for line in range(int(BASE - 2.4 * self.pixels_m), BASE, 14):
                pen.line((x0, line, x1, line), fill=(160, 162, 166), width=2)
        elif kind == "shop":
            sign = _pick(self.rng, ((196, 38, 52), (24, 92, 160), (236, 168, 24), (32, 124, 72)))
            pen.rectangle((x0, y0, x1, y1), fill=GLASS, outline=(60, 60, 64), width=4)
            pen.rectangle((cell[0], y0 - 0.7 * self.pixels_m, cell[2], y0), fill=sign)
            pen.line((x0 + 20, y1, x1 - 20, y0 + 20), fill=(150, 170, 184), width=5)
        elif kind == "lobby":
            pen.rectangle((cell[0], y0, cell[2], y1), fill=DARK_GLASS, outline=(190, 196, 200), width=2)
        elif kind == "portal" and is_door:
            x0, y0, x1, y1 = _inner(cell, 0.7, 0.5, at_bottom=True)
            pen.pieslice((x0, y0 - (x1 - x0) / 2, x1, y0 + (x1 - x0) / 2), 180, 360, fill=WOOD)
            pen.rectangle((x0, y0, x1, y1), fill=WOOD)
        elif kind == "door" and is_door:
            x0, y0, x1, y1 = _inner(cell, 0.36, 0.78, at_bottom=True)
            pen.rectangle((x0, y0, x1, y1), fill=WOOD, outline=(60, 44, 32), width=3)
        else:
            return False
        return True

    def _draw_tower(self) -> float:
        side = 4.2 * self.pixels_m
        x0 = self.left if self.rng.random() < 0.5 else self.right - side
        top = max(110.0, self.top - 5.0 * self.pixels_m)
        self.pen.rectangle((x0, top, x0 + side, BASE), fill=_shade(self.wall, 0.9))
        self.pen.polygon([(x0 - 6, top), (x0 + side / 2, top - 80), (x0 + side + 6, top)], fill=self.cap)
        middle, tip = x0 + side / 2, top - 80
        self.pen.line((middle, tip - 26, middle, tip), fill=(70, 60, 40), width=5)
        self.pen.line((middle - 10, tip - 17, middle + 10, tip - 17), fill=(70, 60, 40), width=5)
        self.pen.ellipse(
            (middle - 18, top + 24, middle + 18, top + 60), fill=(240, 236, 222), outline=(60, 60, 60), width=3
        )
        return tip - 26

    def _draw_chimney(self) -> float:
        x0 = self.left + (self.right - self.left) * self.rng.uniform(0.6, 0.85)
        top = max(40.0, self.top - 6.0 * self.pixels_m)
        self.pen.rectangle((x0, top, x0 + 1.2 * self.pixels_m, self.top), fill=(150, 120, 110))
        for ring in (0, 60):
            self.pen.rectangle((x0, top + ring, x0 + 1.2 * self.pixels_m, top + ring + 22), fill=(190, 60, 50))
        return top


def _inner(cell: Box, wide: float, high: float, *, at_bottom: bool = False) -> Box:
    """The part of a cell in its middle, or standing on its lower edge."""
    x0, y0, x1, y1 = cell
    side, rise = (x1 - x0) * (1 - wide) / 2, (y1 - y0) * (1 - high)
    return (x0 + side, y0 + rise, x1 - side, y1) if at_bottom else (x0 + side, y0 + rise / 2, x1 - side, y1 - rise / 2)


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return _shade(colours[int(rng.integers(len(colours)))], rng.uniform(0.92, 1.06))


def _shade(colour: Colour, times: float) -> Colour:
    red, green, blue = (min(255, int(part * times)) for part in colour)
    return red, green, blue


def _draw_sky(rng: np.random.Generator) -> Image.Image:
    """From clear to overcast, lighter towards the ground."""
    cloud = rng.uniform(0, 1)
    top = np.array([96, 148, 206]) * (1 - cloud) + np.array([172, 178, 184]) * cloud
    low = np.array([206, 224, 238]) * (1 - cloud) + np.array([212, 214, 216]) * cloud
    ramp = np.linspace(0, 1, HEIGHT)[:, None, None]
    rows = np.broadcast_to(top * (1 - ramp) + low * ramp, (HEIGHT, WIDTH, 3))
    return Image.fromarray(rows.astype(np.uint8))


def _draw_ground(pen: ImageDraw.ImageDraw, rng: np.random.Generator, *, has_garden: bool) -> None:
    pen.rectangle((0, BASE - 30, WIDTH, BASE + 20), fill=(96, 128, 72) if has_garden else (168, 164, 156))
    pen.rectangle((0, BASE + 20, WIDTH, BASE + 52), fill=_pick(rng, ((176, 172, 166), (160, 156, 150))))
    pen.rectangle((0, BASE + 52, WIDTH, HEIGHT), fill=_pick(rng, ((84, 86, 90), (98, 98, 100))))
    for x in range(int(rng.integers(-80, 0)), WIDTH, 170):
        pen.rectangle((x, HEIGHT - 44, x + 90, HEIGHT - 36), fill=(214, 214, 208))


def _draw_skyline(pen: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Neighbours in the haze, and trees."""
    for side in (-0.06, 0.86):
        x0 = int((side + rng.uniform(-0.04, 0.04)) * WIDTH)
        top = BASE - int(rng.uniform(90, 230))
        pen.rectangle(
            (x0, top, x0 + int(rng.uniform(140, 210)), BASE - 28), fill=_pick(rng, ((176, 180, 186), (190, 184, 176)))
        )
    for _tree in range(int(rng.integers(1, 4))):
        x, size = int(rng.uniform(0, WIDTH)), int(rng.uniform(40, 74))
        pen.rectangle((x - 5, BASE - size, x + 5, BASE - 10), fill=(88, 66, 48))
        leaf = _pick(rng, ((70, 104, 58), (88, 118, 62), (60, 90, 56)))
        for shift in (-0.5, 0.0, 0.5):
            pen.ellipse(
                (x + shift * size - size / 2, BASE - size * 2, x + shift * size + size / 2, BASE - size * 0.9),
                fill=leaf,
            )


def _draw_street(pen: ImageDraw.ImageDraw, rng: np.random.Generator, pixels_m: float) -> None:
    """Parked cars stand between the camera and the wall."""
    for _car in range(int(rng.integers(0, 3))):
        x, body = (
            int(rng.uniform(0, WIDTH - 120)),
            _pick(rng, ((44, 60, 92), (150, 32, 36), (220, 222, 222), (60, 62, 64))),
        )
        long, low = int(4.0 * pixels_m), BASE + 66
        pen.rounded_rectangle((x, low - 42, x + long, low), radius=12, fill=body)
        pen.polygon(
            [(x + 20, low - 40), (x + 34, low - 66), (x + long - 34, low - 66), (x + long - 14, low - 40)],
            fill=DARK_GLASS,
        )
        for wheel in (0.2, 0.8):
            pen.ellipse((x + long * wheel - 13, low - 13, x + long * wheel + 13, low + 13), fill=(26, 26, 28))


def _expose(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A camera's light, softness and noise."""
    small = image.filter(ImageFilter.GaussianBlur(0.8)).resize(KEPT, Image.Resampling.LANCZOS)
    pixels = np.asarray(small, dtype=np.float32) * rng.uniform(0.82, 1.08)
    pixels += rng.normal(0, 4.5, pixels.shape[:2])[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
