"""What the simulated camera sees: a front door, the weather, and a cat that comes by."""

import io
import math
from datetime import datetime
from typing import Final

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

WIDTH: Final = 1280
HEIGHT: Final = 720
GROUND: Final = 560
"""Where the wall meets the path, in pixels from the top."""
NIGHT: Final[Colour] = (18, 26, 52)
DAY: Final[Colour] = (158, 203, 232)
DUSK: Final[Colour] = (233, 165, 122)
CAT_SECONDS: Final = 45.0
CLOUD_SECONDS: Final = 240.0


def jpeg(at: datetime) -> bytes:
    """The view at `at`, local time, as a JPEG of 1280 x 720."""
    light = daylight(at)
    view = Image.new("RGB", (WIDTH, HEIGHT))
    brush = ImageDraw.Draw(view)
    seconds = at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6
    _sky(brush, light, seconds)
    _tree(brush, light, seconds)
    _house(brush, light)
    _path(brush, light)
    _cat(brush, light, seconds)
    if light < 0.45:  # noqa: PLR2004 - when somebody would light a lamp
        view = _lamplight(view)
    _clock(ImageDraw.Draw(view), at)
    out = io.BytesIO()
    view.save(out, "JPEG", quality=85)
    return out.getvalue()


def daylight(at: datetime) -> float:
    """0 at night to 1 at noon: up from 5 to 9, down from 17 to 21."""
    hour = at.hour + at.minute / 60
    return min(max((hour - 5) / 4, 0.0), max((21 - hour) / 4, 0.0), 1.0)


def _blend(low: Colour, high: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _lit(colour: Colour, light: float) -> Colour:
    return _blend((colour[0] // 5, colour[1] // 5, colour[2] // 4), colour, light)


def _sky(brush: ImageDraw.ImageDraw, light: float, seconds: float) -> None:
    horizon = _blend(_blend(NIGHT, DUSK, min(1.0, light * 2)), DAY, max(0.0, light * 2 - 1))
    zenith = _blend(NIGHT, (96, 158, 214), light)
    for y in range(GROUND):
        brush.line((0, y, WIDTH, y), fill=_blend(zenith, horizon, y / GROUND))
    if light < 0.3:  # noqa: PLR2004 - stars come out
        for star in range(60):
            left, top = (star * 421) % WIDTH, (star * 173) % 300
            size = 1 + (star + int(seconds)) % 2
            brush.ellipse((left, top, left + size, top + size), fill=(225, 228, 240))
    drift = (seconds % CLOUD_SECONDS) / CLOUD_SECONDS * (WIDTH + 400) - 300
    cloud = _lit((246, 248, 250), max(light, 0.15))
    for offset, y in ((0, 90), (520, 150), (-480, 60)):
        x = drift + offset
        for dx, dy, radius in ((0, 12, 34), (46, 0, 46), (98, 8, 38), (140, 18, 26)):
            brush.ellipse((x + dx - radius, y + dy - radius, x + dx + radius, y + dy + radius), fill=cloud)


def _tree(brush: ImageDraw.ImageDraw, light: float, seconds: float) -> None:
    sway = 9 * math.sin(seconds / 2.3)
    brush.polygon([(118, GROUND), (162, GROUND), (150, 300), (132, 300)], fill=_lit((94, 66, 44), light))
    for centre, y, radius, lean in ((92, 330, 84, 0.7), (188, 318, 88, 0.8), (140, 240, 104, 1.3)):
        left = centre + sway * lean
        leaf = _lit((66, 122 + y // 12, 70), light)
        brush.ellipse((left - radius, y - radius, left + radius, y + radius), fill=leaf)


def _house(brush: ImageDraw.ImageDraw, light: float) -> None:
    wall = _lit((176, 58, 46), light)
    trim = _lit((245, 240, 230), light)
    brush.polygon([(300, 170), (1280, 170), (1280, GROUND), (300, GROUND)], fill=wall)
    for y in range(196, GROUND, 26):
        brush.line((300, y, WIDTH, y), fill=_lit((152, 46, 38), light), width=2)
    brush.polygon([(262, 176), (1280, 176), (1280, 96), (330, 96)], fill=_lit((70, 74, 84), light))
    brush.rectangle((296, 170, 312, GROUND), fill=trim)
    # The door, its frame, window, letter box and handle.
    brush.rectangle((548, 236, 752, GROUND), fill=trim)
    brush.rectangle((564, 252, 736, GROUND), fill=_lit((38, 92, 104), light))
    brush.rounded_rectangle((602, 282, 698, 372), 10, fill=_glass(light), outline=trim, width=5)
    brush.rectangle((614, 430, 686, 446), fill=_lit((214, 176, 92), light))
    brush.ellipse((708, 402, 724, 418), fill=_lit((214, 176, 92), light))
    brush.text((650, 262), "12", font=_font(16), fill=trim, anchor="mm")
    # A window with a candle bridge, and the lamp beside the door.
    brush.rectangle((890, 262, 1140, 442), fill=trim)
    for left in (904, 1022):
        brush.rectangle((left, 276, left + 104, 428), fill=_glass(light))
    brush.rectangle((790, 300, 814, 340), fill=_lit((40, 42, 48), light))
    brush.rectangle((794, 306, 810, 334), fill=(255, 222, 150) if light < 0.45 else _lit((210, 214, 210), light))  # noqa: PLR2004 - as in `jpeg`


def _glass(light: float) -> Colour:
    return _blend((250, 206, 122), (176, 208, 224), min(1.0, light * 1.6))


def _path(brush: ImageDraw.ImageDraw, light: float) -> None:
    brush.rectangle((0, GROUND, WIDTH, HEIGHT), fill=_lit((104, 142, 84), light))
    brush.polygon(
        [(560, GROUND + 34), (740, GROUND + 34), (900, HEIGHT), (400, HEIGHT)], fill=_lit((176, 170, 160), light)
    )
    brush.rectangle((520, GROUND, 780, GROUND + 34), fill=_lit((150, 146, 140), light))
    for x in (478, 800):
        brush.polygon(
            [(x, 516), (x + 44, 516), (x + 38, GROUND + 8), (x + 6, GROUND + 8)], fill=_lit((186, 110, 70), light)
        )
        brush.ellipse((x - 12, 462, x + 56, 528), fill=_lit((70, 128, 74), light))


def _cat(brush: ImageDraw.ImageDraw, light: float, seconds: float) -> None:
    x = (seconds % CAT_SECONDS) / CAT_SECONDS * (WIDTH + 240) - 120
    y = 640.0
    coat = _lit((60, 58, 62), max(light, 0.25))
    step = math.sin(seconds * 7)
    for leg, phase in ((-30, 1), (-16, -1), (22, -1), (36, 1)):
        brush.line((x + leg, y, x + leg + 8 * step * phase, y + 38), fill=coat, width=9)
    brush.ellipse((x - 46, y - 26, x + 50, y + 18), fill=coat)
    brush.ellipse((x + 34, y - 48, x + 80, y - 6), fill=coat)
    brush.polygon([(x + 40, y - 36), (x + 44, y - 62), (x + 56, y - 44)], fill=coat)
    brush.polygon([(x + 60, y - 44), (x + 72, y - 62), (x + 76, y - 34)], fill=coat)
    brush.ellipse((x + 66, y - 34, x + 72, y - 28), fill=(214, 206, 96))
    tail = 26 * math.sin(seconds * 1.7)
    brush.line([(x - 42, y - 10), (x - 70, y - 34), (x - 78 + tail / 2, y - 74)], fill=coat, width=9, joint="curve")


def _lamplight(view: Image.Image) -> Image.Image:
    strength = [max(0, 75 - level * 2 // 3) for level in range(256)]
    glow = Image.radial_gradient("L").resize((620, 620)).point(strength)
    mask = Image.new("L", view.size)
    mask.paste(glow, (802 - 310, 322 - 310))
    return Image.composite(Image.new("RGB", view.size, (255, 214, 140)), view, mask)


def _clock(brush: ImageDraw.ImageDraw, at: datetime) -> None:
    text = f"{at:%Y-%m-%d  %H:%M:%S}   front door"
    brush.rounded_rectangle((18, HEIGHT - 52, 470, HEIGHT - 16), 8, fill=(16, 18, 22))
    brush.text((34, HEIGHT - 34), text, font=_font(24), fill=(240, 242, 244), anchor="lm")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
