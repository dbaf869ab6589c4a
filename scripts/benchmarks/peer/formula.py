"""Inputs and parameters that C++ (formula.cpp) and Python make alike, equal to the bit."""

import math

import torch

IMAGES, PER_IMAGE, DIMENSION = 5000, 5, 512
_MASK = 0x7FFFFFFF


def _hashes(name, sizes):
    key = 0
    for letter in name.encode():
        key = (key * 131 + letter) % 1000003
    h = (torch.arange(math.prod(sizes)) * 0x9E3779B1 + key * 7919) & _MASK
    for factor in (0x2C1B3C6D, 0x297A2D39):
        h = ((h ^ (h >> 15)) * factor) & _MASK
    return (h ^ (h >> 15)).reshape(sizes)


def noise(name, sizes):
    """float64 in [-1, 1)."""
    return _hashes(name, tuple(sizes)).double() / 1073741824.0 - 1


def integers(name, sizes, below):
    return _hashes(name, tuple(sizes)).remainder(below)


@torch.no_grad()
def fill(named_parameters):
    for name, parameter in named_parameters:
        values = noise(name, parameter.shape)
        if parameter.dim() > 1:
            values = values * math.sqrt(3.0 * parameter.shape[0] / parameter.numel())
        elif name.endswith("weight"):
            values = 1 + 0.1 * values
        else:
            values = 0.1 * values
        parameter.copy_(values)


def gallery():
    def unit(rows):
        return (rows / rows.norm(2, 1, True)).float()

    images = noise("gallery.images", (IMAGES, DIMENSION))
    owner = images.repeat_interleave(PER_IMAGE, 0)
    return unit(images), unit(owner + 4.5 * noise("gallery.captions", (IMAGES * PER_IMAGE, DIMENSION)))


def caption_lengths(count):
    u = (noise("lengths", (count,)) + 1) / 2
    return 8 + (u * u * 52).floor().long()


def caption_tokens(lengths, vocabulary):
    words = 2 + integers("words", (len(lengths), 60), vocabulary - 2)
    longest = int(lengths.max())
    return words[:, :longest].masked_fill(torch.arange(longest) >= lengths.unsqueeze(1), 0).contiguous()
