"""A second set of class colours for eyes that tell red from green badly: for display only, never in a file."""

from fusion.scheme import Scheme

# Found by annealing over a grid of sRGB: the least CIE76 distance of any two is above 17 for normal sight and for
# deuteranopia, protanopia and tritanopia (Machado et al. 2009); the first ten are warm, the others cold.
SAFE = (
    "#2d2d1e", "#960000", "#5a693c", "#e11e00", "#a57878", "#87964b", "#ff870f", "#ffb496", "#ffe11e", "#f0f0e1",
    "#0f0096", "#5a2d87", "#783c69", "#873cff", "#8787f0", "#00a5c3", "#87ff78",
)  # fmt: skip
BLACK, WHITE = "#000000", "#ffffff"


def safe_colours(scheme: Scheme) -> dict[str, tuple[str, str]]:
    """(colour, ink) by class code, in the scheme's order; none for a scheme with more classes than colours."""
    if len(scheme) > len(SAFE):
        return {}
    return {label.code: (colour, ink_on(colour)) for label, colour in zip(scheme.classes, SAFE, strict=False)}


def ink_on(colour: str) -> str:
    """Black or white, whichever is read better on `#rrggbb`; at least 4.58 to 1."""
    return BLACK if contrast(BLACK, colour) > contrast(WHITE, colour) else WHITE


def contrast(one: str, other: str) -> float:
    """Contrast ratio 1..21 of two colours `#rrggbb` (WCAG 2.2)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
