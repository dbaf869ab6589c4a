"""Values that Python and C++ make alike, so that golden files hold results and no weights.

The counterpart is tests/unit/model/formula.h; every float64 is equal to the bit.
"""

import numpy as np
import torch

MASK = np.uint64(0xFFFFFFFF)


def uniform(shape, stream):
    """float64 in [0, 1): a 32-bit hash of (index, stream)."""
    count = int(np.prod(shape)) if len(shape) else 1
    h = (np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(stream * 0x85EBCA77 + 1)) & MASK
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x2C1B3C6D)) & MASK
    h ^= h >> np.uint64(12)
    h = (h * np.uint64(0x297A2D39)) & MASK
    h ^= h >> np.uint64(15)
    return torch.from_numpy(h.astype(np.float64) / 2.0**32).reshape(tuple(shape))


def centred(shape, stream):
    return 2 * uniform(shape, stream) - 1


def fill(module):
    """Every parameter and buffer, in order of name: stream = position."""
    names = sorted(n for n in module.state_dict() if not n.endswith("num_batches_tracked"))
    state = module.state_dict()
    with torch.no_grad():
        for stream, name in enumerate(names):
            tensor = state[name]
            u = uniform(tensor.shape, stream)
            if name.endswith("running_var"):
                u = 0.5 + u
            elif tensor.dim() > 1:
                u = (2 * u - 1) * np.sqrt(6.0 / (tensor.numel() / tensor.shape[0]))
            elif name.endswith("weight"):
                u = 0.75 + 0.5 * u
            else:
                u = 0.4 * u - 0.2
            tensor.copy_(u)
    return module


def probe(tensor):
    """One number that depends on every element: the sum of elements times centred(shape, 99)."""
    return float((tensor.double() * centred(tensor.shape, 99)).sum())


def write(path, tensors, metadata):
    """A safetensors file (https://github.com/huggingface/safetensors, section Format)."""
    import json

    kinds = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
    header, blobs, at = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        blob = tensors[name].detach().contiguous().numpy().tobytes()
        header[name] = {
            "dtype": kinds[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [at, at + len(blob)],
        }
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))
    print(f"{path} {path.stat().st_size} bytes")
