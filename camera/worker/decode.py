"""Check, mask, thumbnail. The only module that imports OpenCV; it runs in the worker process alone."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camera.picture import Mask, Picture
from camera.worker.jpeg import NoJpeg, Truncated, dimensions
from camera.worker.protocol import MAX_ANSWER_BYTES, MAX_PIXELS, Refusal, Request

Pixels = NDArray[np.uint8]

THUMBNAIL_WIDTH: Final = 320
IMAGE_QUALITY: Final = 88
THUMBNAIL_QUALITY: Final = 80


def decode(request: Request) -> Picture | Refusal:
    """The picture in `request.jpeg`, upright, masked and encoded anew, or why there is none."""
    try:
        width, height = dimensions(request.jpeg)
    except NoJpeg:
        return Refusal("no_jpeg")
    except Truncated:
        return Refusal("truncated")
    if width * height > MAX_PIXELS:
        return Refusal("too_many_pixels")
    try:
        pixels = cv2.imdecode(np.frombuffer(request.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            return Refusal("undecodable")
        return _encode(_masked(np.asarray(pixels, np.uint8), request.masks))
    except (cv2.error, MemoryError):
        return Refusal("undecodable")


def _masked(pixels: Pixels, masks: tuple[Mask, ...]) -> Pixels:
    height, width = pixels.shape[:2]
    for mask in masks:
        # Outwards to whole pixels: a mask never covers less than was asked.
        top, bottom = math.floor(mask.top * height), math.ceil((mask.top + mask.height) * height)
        left, right = math.floor(mask.left * width), math.ceil((mask.left + mask.width) * width)
        pixels[top:bottom, left:right] = 0
    return pixels


def _encode(pixels: Pixels) -> Picture | Refusal:
    height, width = pixels.shape[:2]
    image = _jpeg(pixels, IMAGE_QUALITY)
    small = pixels
    if width > THUMBNAIL_WIDTH:
        small_height = max(1, round(height * THUMBNAIL_WIDTH / width))
        small = np.asarray(cv2.resize(pixels, (THUMBNAIL_WIDTH, small_height), interpolation=cv2.INTER_AREA), np.uint8)
    thumbnail = _jpeg(small, THUMBNAIL_QUALITY)
    if len(image) + len(thumbnail) + 1024 > MAX_ANSWER_BYTES:
        return Refusal("too_large")
    return Picture(image, thumbnail, width, height)


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def warm_up() -> None:
    """Use everything once, also the ways to fail, so that nothing is loaded or opened when it no longer can be."""
    cv2.setNumThreads(1)  # no thread is ever started, so no `clone` need be allowed
    sample = _jpeg(np.full((64, THUMBNAIL_WIDTH + 16, 3), 128, np.uint8), IMAGE_QUALITY)
    for jpeg in (sample, sample[:-2], sample.replace(b"\xff\xc4", b"\xff\xc5", 1), b"text"):
        decode(Request(jpeg, (Mask(0, 0, 0.5, 0.5),)))
