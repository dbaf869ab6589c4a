"""Writes tests/golden/image_resize.safetensors: Pillow's antialiased bilinear resize of a small generated picture.

Run with a Python that has numpy and Pillow:  python scripts/golden/image_resize.py
"""
import json
import pathlib
import struct

import numpy
import PIL
from PIL import Image

SIZES = [(32, 32), (50, 19), (80, 120), (7, 5)]  # height, width


def picture(height=75, width=100):
    """Smooth gradients, a sharp-edged disc and seeded noise: what photos have, in small."""
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [255 * x / width, 255 * y / height, 127 + 127 * numpy.sin(x / 3.0) * numpy.cos(y / 5.0)]
    pixels = numpy.stack(planes, -1)
    pixels[(x - 60) ** 2 + (y - 30) ** 2 < 400] = (250, 20, 128)
    pixels += numpy.random.default_rng(1).normal(0, 12, pixels.shape)
    return numpy.clip(pixels, 0, 255).astype(numpy.uint8)


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        end = offset + tensors[name].nbytes
        header[name] = {"dtype": "U8", "shape": list(tensors[name].shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensors[n].tobytes() for n in sorted(tensors)))


def main():
    source = picture()
    tensors = {"picture": source}
    for height, width in SIZES:
        resized = Image.fromarray(source).resize((width, height), Image.BILINEAR)
        tensors[f"resized_{height}x{width}"] = numpy.asarray(resized)
    target = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/image_resize.safetensors"
    write_safetensors(target, tensors, {"made_by": f"Pillow {PIL.__version__}, numpy {numpy.__version__}"})


if __name__ == "__main__":
    main()
