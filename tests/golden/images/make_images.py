#!/usr/bin/env python3
"""Writes small pictures of every format and kind beside this file, manifest.json with what Pillow makes of each (width, height and
the SHA-256 of the raw bytes of Image.open(file).convert("RGB")) and resizes.json with the same for resized ones. Needs Pillow and NumPy.

Pillow cannot write all that it reads; such files are put together here byte by byte."""

import hashlib
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image

FOLDER = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 45, 33
FILES = {}


def picture(channels):
    """Waves, an edge and some noise: everything that an upsampler or a filter could get wrong."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(7).integers(0, 32, (HEIGHT, WIDTH, channels))
    waves = [90 + 80 * np.sin((x * (c + 1) + y * 2) / 9.0) + 60 * (x > y * (c + 1) / 2) for c in range(channels)]
    return np.clip(np.stack(waves, -1) + noise - 16, 0, 255).astype(np.uint8)


RGB = picture(3)
GREY = picture(1)[..., 0]
RGBA = picture(4)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# PNG


def png_chunk(name, data=b""):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_rows(samples, depth):
    """Unfiltered rows: samples [height, values] packed to `depth` bits."""
    if depth == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    if depth == 8:
        return b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in samples)
    rows = []
    for row in samples:
        bits = "".join(format(int(value), f"0{depth}b") for value in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big"))
    return b"".join(rows)


def png(samples, depth, color, chunks=b"", interlaced=False):
    """samples [height, width, channels]."""
    height, width, channels = samples.shape
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes]
    else:
        parts = [samples]
    data = b"".join(png_rows(part.reshape(part.shape[0], -1), depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", zlib.compress(data, 9)) + png_chunk(b"IEND")
    )


def make_pngs():
    for depth in (1, 2, 4, 8, 16):
        top = (1 << depth) - 1
        FILES[f"grey{depth}.png"] = png((GREY.astype(int) * top // 255)[..., None], depth, 0)
    grey16 = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH, 1) % 600
    FILES["grey16_dark.png"] = png(grey16, 16, 0)
    FILES["grey16_interlaced.png"] = png(grey16, 16, 0, interlaced=True)
    FILES["grey8_transparent.png"] = png(GREY[..., None], 8, 0, png_chunk(b"tRNS", b"\0\x40"))
    FILES["grey_alpha8.png"] = png(RGBA[..., :2], 8, 4)
    FILES["grey_alpha16.png"] = png(RGBA[..., :2].astype(int) * 251, 16, 4)
    FILES["rgb8.png"] = saved(Image.fromarray(RGB), "PNG")
    FILES["rgb8_transparent.png"] = png(RGB, 8, 2, png_chunk(b"tRNS", b"\0\1\0\2\0\3"))
    FILES["rgb8_interlaced.png"] = png(RGB, 8, 2, interlaced=True)
    FILES["rgb16.png"] = png(RGB.astype(int) * 257 - 37 * (RGB > 0), 16, 2)
    FILES["rgba8.png"] = png(RGBA, 8, 6)
    FILES["rgba16_interlaced.png"] = png(RGBA.astype(int) * 250, 16, 6, interlaced=True)
    for depth in (1, 2, 4, 8):
        colors = np.random.default_rng(depth).integers(0, 256, 3 << depth, dtype=np.uint8).tobytes()
        indices = (GREY.astype(int) * ((1 << depth) - 1) // 255)[..., None]
        FILES[f"palette{depth}.png"] = png(indices, depth, 3, png_chunk(b"PLTE", colors))
    transparent = png_chunk(b"gAMA", struct.pack(">I", 100000)) + png_chunk(b"PLTE", colors) + png_chunk(b"tRNS", bytes(range(0, 200, 5)))
    FILES["palette8_transparent_gamma.png"] = png(indices, 8, 3, transparent)
    FILES["palette4_interlaced.png"] = png(indices // 17, 4, 3, png_chunk(b"PLTE", colors[:48]), interlaced=True)
    notes = png_chunk(b"tEXt", b"Comment\0" + b"x" * 500) + png_chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 50000))
    FILES["rgb8_ancillary.png"] = png(RGB, 8, 2, notes)
    FILES["one_pixel.png"] = png(RGB[:1, :1], 8, 2)


# JPEG


def make_jpegs():
    color, grey = Image.fromarray(RGB), Image.fromarray(GREY)
    cmyk = Image.frombytes("CMYK", (WIDTH, HEIGHT), RGBA.tobytes())
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        FILES[f"baseline_{name}.jpg"] = saved(color, "JPEG", quality=85, subsampling=subsampling)
    FILES["progressive_420.jpg"] = saved(color, "JPEG", quality=80, progressive=True, subsampling=2)
    FILES["progressive_444.jpg"] = saved(color, "JPEG", quality=80, progressive=True, subsampling=0)
    FILES["grey.jpg"] = saved(grey, "JPEG", quality=80)
    FILES["grey_progressive.jpg"] = saved(grey, "JPEG", quality=80, progressive=True)
    FILES["rgb_colour_space.jpg"] = saved(color, "JPEG", quality=80, keep_rgb=True)
    FILES["cmyk.jpg"] = saved(cmyk, "JPEG", quality=85)
    FILES["cmyk_progressive.jpg"] = saved(cmyk, "JPEG", quality=85, progressive=True)
    adobe = FILES["cmyk.jpg"].index(b"Adobe") + 11  # the transform byte: 2 makes YCCK of it
    FILES["ycck.jpg"] = FILES["cmyk.jpg"][:adobe] + b"\2" + FILES["cmyk.jpg"][adobe + 1 :]
    FILES["restart_markers.jpg"] = saved(color, "JPEG", quality=70, restart_marker_blocks=3)
    for orientation in (1, 3, 6, 8, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        FILES[f"orientation{orientation}.jpg"] = saved(color, "JPEG", quality=60, exif=exif)


# WebP


def make_webps():
    color, alpha = Image.fromarray(RGB), Image.fromarray(RGBA)
    FILES["lossy.webp"] = saved(color, "WEBP", quality=70)
    FILES["lossless.webp"] = saved(color, "WEBP", lossless=True)
    FILES["lossy_alpha.webp"] = saved(alpha, "WEBP", quality=70)
    FILES["lossless_alpha.webp"] = saved(alpha, "WEBP", lossless=True, exact=True)
    frames = [Image.fromarray(np.roll(RGB, 9 * i, axis=1)) for i in range(3)]
    FILES["animated.webp"] = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=50)
    FILES["animated_small_frame.webp"] = webp_small_frame()


def webp_small_frame():
    """An animation whose first frame covers a part of the canvas."""
    still = saved(Image.fromarray(RGB[:10, :12]), "WEBP", lossless=True)
    bits = still[12:]
    frame = (4).to_bytes(3, "little") + (3).to_bytes(3, "little") + (11).to_bytes(3, "little") + (9).to_bytes(3, "little")
    frame += (50).to_bytes(3, "little") + b"\0" + bits
    canvas = b"\2\0\0\0" + (WIDTH - 1).to_bytes(3, "little") + (HEIGHT - 1).to_bytes(3, "little")

    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    body = b"WEBP" + chunk(b"VP8X", canvas) + chunk(b"ANIM", b"\x20\x40\x60\xff\0\0") + chunk(b"ANMF", frame)
    return b"RIFF" + struct.pack("<I", len(body)) + body


# GIF


def gif(screen, palette, frame, indices, local=None, transparent=None, background=0):
    """Uncompressed codes: a clear code often enough that they stay at 9 bits."""

    def table(colors):
        bits = max((len(colors) // 3 - 1).bit_length(), 1)
        return 0x80 | bits - 1, colors + b"\0" * ((3 << bits) - len(colors))

    flags, colors = table(palette) if palette else (0, b"")
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, background, 0) + colors
    if transparent is not None:
        out += b"\x21\xf9\4" + bytes([1, 0, 0, transparent]) + b"\0"
    flags, colors = table(local) if local else (0, b"")
    out += b"," + struct.pack("<HHHHB", *frame, flags) + colors
    accumulator = bits = 0
    packed = bytearray()
    codes = [256]
    for i, index in enumerate(indices):
        codes += [int(index)] + ([256] if i % 100 == 99 else [])
    for code in codes + [257]:
        accumulator |= code << bits
        bits += 9
        while bits >= 8:
            packed.append(accumulator & 255)
            accumulator >>= 8
            bits -= 8
    packed.append(accumulator & 255)
    out += b"\x08"
    for i in range(0, len(packed), 255):
        out += bytes([len(packed[i : i + 255])]) + bytes(packed[i : i + 255])
    return out + b"\0;"


def make_gifs():
    quantized = Image.fromarray(RGB).quantize(32)
    FILES["interlaced.gif"] = saved(quantized, "GIF", interlace=1)
    FILES["plain.gif"] = saved(quantized, "GIF", interlace=0)
    FILES["grey.gif"] = saved(Image.fromarray(GREY), "GIF", interlace=0)
    frames = [Image.fromarray(np.roll(RGB, 9 * i, axis=0)).quantize(16) for i in range(3)]
    FILES["animated.gif"] = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    colors = bytes(range(10, 202, 4))  # 16 of them
    indices = np.arange(12 * 9) % 16
    FILES["part_of_screen.gif"] = gif((20, 15), colors, (5, 4, 12, 9), indices, background=3)
    FILES["part_transparent.gif"] = gif((20, 15), colors, (5, 4, 12, 9), indices, transparent=7, background=3)
    FILES["part_local_palette.gif"] = gif((20, 15), colors, (5, 4, 12, 9), indices, local=colors[::-1])
    FILES["beyond_palette.gif"] = gif((12, 9), colors[:24], (0, 0, 12, 9), indices)
    FILES["no_palette.gif"] = gif((12, 9), None, (0, 0, 12, 9), indices)


# BMP


def bmp(width, height, bits, pixels, palette=b"", compression=0, masks=b"", colors=0, offset=None):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, colors, 0) + masks
    start = 14 + len(header) + len(palette) if offset is None else offset
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(palette) + len(pixels), 0, 0, start) + header + palette + pixels


def bmp_rows(rows):
    return b"".join(row + b"\0" * (-len(row) % 4) for row in rows)


def make_bmps():
    color = Image.fromarray(RGB)
    FILES["rgb24.bmp"] = saved(color, "BMP")
    FILES["grey8.bmp"] = saved(Image.fromarray(GREY), "BMP")
    FILES["palette8.bmp"] = saved(color.quantize(40), "BMP")
    FILES["one_bit.bmp"] = saved(Image.fromarray(GREY).convert("1"), "BMP")
    rows24 = bmp_rows([row[:, ::-1].tobytes() for row in RGB])
    FILES["top_down24.bmp"] = bmp(WIDTH, -HEIGHT, 24, rows24)
    alpha = RGBA[:, :, [2, 1, 0, 3]]
    FILES["rgb32.bmp"] = bmp(WIDTH, HEIGHT, 32, alpha.tobytes())
    FILES["masks32.bmp"] = bmp(WIDTH, HEIGHT, 32, RGBA.tobytes(), compression=3, masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00))
    rows16 = bmp_rows([row.tobytes() for row in np.random.default_rng(3).integers(0, 65536, (HEIGHT, WIDTH)).astype("<u2")])
    FILES["rgb555.bmp"] = bmp(WIDTH, HEIGHT, 16, rows16)
    FILES["rgb565.bmp"] = bmp(WIDTH, HEIGHT, 16, rows16, compression=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    palette = np.random.default_rng(4).integers(0, 256, (16, 4), dtype=np.uint8)
    indices = GREY // 16
    packed = [bytes(int(a) << 4 | int(b) for a, b in zip(row[::2], list(row[1::2]) + [0])) for row in indices]
    FILES["palette4.bmp"] = bmp(WIDTH, HEIGHT, 4, bmp_rows(packed), palette.tobytes())
    FILES["palette4_short.bmp"] = bmp(WIDTH, HEIGHT, 4, bmp_rows(packed), palette[:10].tobytes(), colors=10)
    FILES["offset_at_palette.bmp"] = bmp(WIDTH, HEIGHT, 4, bmp_rows(packed), palette.tobytes(), offset=54)
    core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 4) + palette[:, :3].tobytes()
    FILES["os2_palette4.bmp"] = b"BM" + struct.pack("<IHHI", 14 + len(core) + len(packed) * 28, 0, 0, 14 + len(core)) + core + bmp_rows(packed)
    runs = b"\x05\x01\0\x03\x02\x04\x06\0\x02\x07\0\0" + b"\0\x02\x03\x01" + b"\x09\x03\0\0" + b"\x0a\x05\0\0" + b"\x04\x01\0\x04\x01\x02\x03\x04\x02\x09"
    FILES["rle8.bmp"] = bmp(10, 5, 8, runs, palette.tobytes() * 16, compression=1)
    runs = b"\x05\x12\0\x03\x45\x60\x02\x77\0\0" + b"\0\x02\x03\x01" + b"\x09\x3a\0\0" + b"\x0a\x5b\0\0" + b"\x04\x1c\0\x04\x12\x34\x02\x9d"
    FILES["rle4.bmp"] = bmp(10, 5, 4, runs, palette.tobytes(), compression=2)


def resizes():
    """Random sizes with both filters, and what is odd: one pixel, one line, only one side changed, nothing changed."""
    random = np.random.default_rng(5)
    sizes = [(490, 490), (1, 1), (1, 90), (90, 1), (WIDTH, HEIGHT), (WIDTH, 80), (20, HEIGHT), (WIDTH - 1, HEIGHT + 1), (1000, 3)]
    sizes += [(int(w), int(h)) for w, h in random.integers(1, 400, (30, 2))]
    sizes += [(int(w), int(h)) for w, h in random.integers(1, 60, (30, 2))]
    rows = []
    for name in ("rgb8.png", "one_pixel.png", "baseline_444.jpg", "plain.gif", "no_palette.gif"):
        rgb = Image.open(FOLDER / name).convert("RGB")
        for i, size in enumerate(sizes):
            for filter_name in ("bilinear", "bicubic"):
                if i >= 9 and (i + len(name)) % 4:
                    continue
                resized = rgb.resize(size, Image.Resampling[filter_name.upper()])
                digest = hashlib.sha256(resized.tobytes()).hexdigest()
                rows.append({"image": name, "filter": filter_name, "width": size[0], "height": size[1], "rgb_sha256": digest})
    return rows


def main():
    make_pngs()
    make_jpegs()
    make_webps()
    make_gifs()
    make_bmps()
    images = {}
    for name, data in FILES.items():
        (FOLDER / name).write_bytes(data)
        rgb = Image.open(io.BytesIO(data)).convert("RGB")
        images[name] = {"width": rgb.width, "height": rgb.height, "rgb_sha256": hashlib.sha256(rgb.tobytes()).hexdigest()}
    manifest = {"pillow": PIL.__version__, "images": images}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    lines = ",\n".join(" " + json.dumps(row) for row in resizes())
    (FOLDER / "resizes.json").write_text(f"[\n{lines}\n]\n")
    print(len(FILES), "files,", sum(map(len, FILES.values())), "bytes")


if __name__ == "__main__":
    main()
