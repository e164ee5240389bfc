"""A picture of a change map: both dates, kinds of change, probability of change, and a legend; for eyes."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fusion import modality as modalities
from fusion import painting, quicklook
from fusion import scheme as schemes
from tests.benchmarks.taizhou import Pair

Array = npt.NDArray[Any]
ZOOM, GAP, TOP, LEGEND = 2, 24, 44, 424
INK, QUIET, PAPER = "#1c1c1a", "#5c5a54", "#fbfaf7"
RAMP = ("#fbf3e4", "#f2b774", "#c8452c", "#4d0f14")
PIXEL_M = 30


def draw_change(path: Path, pair: Pair, shares: dict[str, Array]) -> Path:
    """Write the picture; `shares` [class, y, x] per scheme are of the scene without its border of one pixel."""
    images, kinds = pair.images[..., 1:-1, 1:-1], shares["change_kinds"].argmax(axis=0)
    panels = {
        "2000, near infrared as red": _draw_date(images, 0),
        "2003, near infrared as red": _draw_date(images, 1),
        "Kinds of change": _paint_classes(kinds),
        "Probability of change": painting.paint_ramp(_to_levels(shares["change"][1]), RAMP),
    }
    height, width = (ZOOM * side for side in kinds.shape)
    size = (3 * GAP + 2 * width + LEGEND, 2 * (TOP + height) + 2 * GAP)
    page = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    for place, (title, picture) in enumerate(panels.items()):
        left, top = GAP + (place % 2) * (width + GAP), GAP + (place // 2) * (height + TOP)
        pen.text((left, top), title, INK, font=ImageFont.load_default(22))
        enlarged = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
        page.paste(enlarged, (left, top + TOP - 10))
    _draw_legend(page, (3 * GAP + 2 * width, GAP + TOP - 10), kinds)
    labels = sum(part["change_kinds"][1:-1, 1:-1].astype(int) for part in (pair.train, pair.test))
    left, top = 3 * GAP + 2 * width, 2 * GAP + TOP + height
    pen.text((left, top - GAP), "Published labels, train and test", INK, font=ImageFont.load_default(22))
    page.paste(Image.fromarray(_paint_classes(labels - 1, "#ffffff")), (left, top + TOP - 10 - GAP))
    page.save(path)
    return path


def _draw_date(images: Array, time: int) -> Array:
    picture = quicklook.draw(modalities.find("landsat_etm"), images[time], view="false_colour")
    assert picture is not None
    return picture[..., :3]


def _paint_classes(kinds: Array, unknown: str = "#000000") -> Array:
    colours = [label.colour for label in schemes.find("change_kinds").classes]
    return painting.paint_classes(kinds, {-1: unknown, **dict(enumerate(colours))})


def _to_levels(share: Array) -> Array:
    return painting.scale_levels(share.astype(np.float32), 0.0, 1.0)


def _draw_legend(page: Image.Image, corner: tuple[int, int], kinds: Array) -> None:
    pen, (left, top) = ImageDraw.Draw(page), corner
    large, small = ImageFont.load_default(20), ImageFont.load_default(16)
    pen.text((left, top), "Share of the scene", INK, font=large)
    for place, label in enumerate(schemes.find("change_kinds").classes):
        row = top + 44 + 40 * place
        pen.rectangle((left, row, left + 26, row + 26), label.colour, QUIET)
        pen.text((left + 38, row + 3), f"{label.name}  {100 * (kinds == place).mean():.1f} %", INK, font=large)
    row = top + 250
    pen.text((left, row), "Probability of change", INK, font=large)
    ramp = painting.paint_ramp(np.linspace(0, 255, 256).astype(np.uint8)[None], RAMP)
    bar = Image.fromarray(np.repeat(ramp, 22, axis=0))
    page.paste(bar, (left, row + 36))
    for text, x in (("0", left), ("0.5", left + 116), ("1", left + 248)):
        pen.text((x, row + 64), text, INK, font=small)
    height, width = (side * PIXEL_M / 1000 for side in kinds.shape)
    words = (
        f"Taizhou, {width:g} x {height:g} km, Landsat",
        "of 30 m, north as in the files.",
        "ReCNN, seed 0, trained on the",
        "authors' training map of this scene.",
        "White below: pixels without a label.",
    )
    for place, text in enumerate(words):
        pen.text((left, row + 120 + 24 * place), text, QUIET, font=small)
