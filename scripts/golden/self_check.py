"""Prints what src/data/image/self_check.cpp embeds: a JPEG and a PNG of two colours, and Pillow's resize of a small table.

Run with a Python that has numpy and Pillow: python scripts/golden/self_check.py
"""

import io

import numpy
from PIL import Image


def encoded(format, **options):
    pixels = numpy.zeros((8, 16, 3), numpy.uint8)
    pixels[:, :8], pixels[:, 8:] = (200, 40, 40), (40, 40, 200)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def as_text(bytes_):
    text = bytes_.hex()
    return "\n".join(f'    "{text[i:i + 112]}"' for i in range(0, len(text), 112))


def main():
    print("JPEG\n" + as_text(encoded("JPEG", quality=90, subsampling=0, optimize=True)))
    print("PNG\n" + as_text(encoded("PNG", optimize=True)))
    y, x = numpy.mgrid[0:6, 0:6]
    table = numpy.stack([40 * x, 40 * y, 255 * (x == y)], -1).astype(numpy.uint8)
    print("resized", numpy.asarray(Image.fromarray(table).resize((3, 3), Image.BILINEAR)).ravel().tolist())


if __name__ == "__main__":
    main()
