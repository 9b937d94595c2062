"""Small drawn pictures for the tests and the screenshots, made by Pillow: nothing to license."""

import hashlib
import io

from PIL import Image, ImageDraw

SIZE = (480, 320)
SKIES = ["#9fd3ef", "#f6c28b", "#31506f", "#cfe8d5"]


def scene(kind, sky=0):
    """PNG bytes of a scene by the sea: boat, lighthouse, fish or gulls, under one of four skies."""
    image = Image.new("RGB", SIZE, SKIES[sky % len(SKIES)])
    draw = ImageDraw.Draw(image)
    draw.ellipse((360, 30, 420, 90), fill="#fbe58a")
    draw.rectangle((0, 210, 480, 320), fill="#2c7da0")
    for y in range(225, 320, 22):
        for x in range(-(y % 40), 480, 60):
            draw.arc((x, y, x + 40, y + 14), 200, 340, fill="#a9d6e5", width=2)
    if kind == "boat":
        draw.polygon([(120, 200), (330, 200), (290, 245), (160, 245)], fill="#7f4f24")
        draw.line((225, 200, 225, 60), fill="#3d2b1f", width=5)
        draw.polygon([(232, 65), (232, 190), (320, 190)], fill="#ffffff")
        draw.polygon([(218, 85), (218, 190), (150, 190)], fill="#e63946")
    elif kind == "lighthouse":
        draw.polygon([(60, 250), (240, 250), (210, 205), (90, 205)], fill="#6c757d")
        draw.polygon([(125, 205), (175, 205), (165, 70), (135, 70)], fill="#ffffff")
        draw.polygon([(129, 165), (171, 165), (169, 130), (131, 130)], fill="#d62828")
        draw.rectangle((132, 45, 168, 70), fill="#ffd166", outline="#333333", width=3)
    elif kind == "fish":
        draw.ellipse((150, 235, 300, 300), fill="#f4a261")
        draw.polygon([(290, 267), (350, 235), (350, 300)], fill="#e76f51")
        draw.ellipse((180, 255, 190, 265), fill="#111111")
    elif kind == "gulls":
        for x, y in [(90, 70), (180, 110), (270, 60), (220, 160)]:
            draw.arc((x, y, x + 45, y + 30), 180, 350, fill="#333333", width=4)
            draw.arc((x + 40, y, x + 85, y + 30), 190, 360, fill="#333333", width=4)
    else:
        raise ValueError(f"no such scene: {kind}")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def digest(picture):
    return hashlib.sha256(picture).hexdigest()
