"""Writes tests/golden/torch_archives/*.pth: what torch.save makes of small tensors, and hostile relatives of it.

Run with a Python that has torch (2.7 or newer): python3 scripts/golden/torch_archives.py. The tests know the values: every tensor is
made of numbers 0, 1, 2, ... / 4. Only this script renews the files; they were made with torch 2.13.0.
"""

import argparse
import collections
import pathlib
import pickle
import struct
import zipfile

import torch

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "torch_archives"


def numbers(*shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count, dtype=torch.float32) / 4).reshape(shape).to(dtype)


def state():
    shared = numbers(4, 3)
    out = collections.OrderedDict()
    out["weight"] = numbers(2, 3)
    out["transposed"] = numbers(3, 2).t()
    out["slice"] = numbers(4, 4)[1:3, ::2]
    out["half"] = numbers(5, dtype=torch.float16)
    out["bfloat"] = numbers(5, dtype=torch.bfloat16)
    out["double"] = numbers(2, dtype=torch.float64)
    out["count"] = torch.tensor(7)
    out["mask"] = torch.tensor([True, False, True])
    out["bytes"] = torch.tensor([0, 255], dtype=torch.uint8)
    out["empty"] = torch.zeros(0, 3)
    out["tied.a"] = shared
    out["tied.b"] = shared
    out["parameter"] = torch.nn.Parameter(numbers(3))
    return out


def state_dict():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        module[0].weight.copy_(numbers(2, 3))
        module[0].bias.copy_(numbers(2))
    return module.state_dict()  # with _metadata


def archive(name, content, legacy=False):
    torch.save(content, OUT / name, _use_new_zipfile_serialization=not legacy)


# --- hostile files, written operation by operation


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value):
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(8, "little", signed=True)
    return b"\x8a\x08" + raw


def function(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def tensor(count, offset, sizes, strides, key="0", kind="FloatStorage"):
    storage = tuple_of(text("storage"), function("torch", kind), text(key), text("cpu"), integer(count)) + b"Q"
    arguments = tuple_of(
        storage,
        integer(offset),
        tuple_of(*map(integer, sizes)),
        tuple_of(*map(integer, strides)),
        b"\x89",
        function("collections", "OrderedDict") + b")R",
    )
    return function("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def dictionary(**entries):
    return b"}" + b"".join(text(key) + value + b"s" for key, value in entries.items())


def hostile(name, program, data=b"\0" * 24, byteorder=b"little", proto=b"\x80\x02", packed=zipfile.ZIP_STORED):
    with zipfile.ZipFile(OUT / name, "w", packed) as out:
        for member, content in {"data.pkl": proto + program + b".", "byteorder": byteorder, "data/0": data, "version": b"3\n"}.items():
            out.writestr(zipfile.ZipInfo("archive/" + member, (1980, 1, 1, 0, 0, 0)), content, packed)


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch hacked",)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    archive("state.pth", state())
    archive("state_legacy.pth", state(), legacy=True)
    archive("module.pth", state_dict())
    archive("checkpoint.pth", {"epoch": 3, "state_dict": state_dict(), "lr": 0.1, "names": ["a", None, (1, 2)]})
    archive("two.pth", {"model": {"a": numbers(2)}, "net": {"a": numbers(3)}, "ema": {"model": {"a": numbers(4)}}})
    archive("evil.pth", {"a": numbers(2), "b": Evil()})
    archive("evil_legacy.pth", {"a": numbers(2), "b": Evil()}, legacy=True)
    archive("namespace.pth", {"args": argparse.Namespace(lr=1), "state_dict": {"a": numbers(2)}})
    archive("complex.pth", {"a": torch.zeros(2, dtype=torch.complex64)})
    archive("list.pth", [numbers(2)])
    archive("expanded.pth", {"a": numbers(1).expand(1000)})
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(OUT / "script.pt"))

    hostile("plain.pth", dictionary(a=tensor(6, 0, [2, 3], [3, 1])))
    hostile("deflated.pth", dictionary(a=tensor(6, 0, [2, 3], [3, 1])), packed=zipfile.ZIP_DEFLATED)
    hostile("outside.pth", dictionary(a=tensor(6, 1, [2, 3], [3, 1])))
    hostile("stride.pth", dictionary(a=tensor(6, 0, [2, 3], [4, 1])))
    hostile("negative.pth", dictionary(a=tensor(6, 0, [-2, 3], [3, 1])))
    hostile("negative_stride.pth", dictionary(a=tensor(6, 3, [2, 3], [-3, 1])))
    hostile("overflow.pth", dictionary(a=tensor(6, 0, [2**62, 4], [0, 0])))
    hostile("stride_overflow.pth", dictionary(a=tensor(6, 0, [3, 1], [2**62, 1])))
    hostile("huge.pth", dictionary(a=tensor(2**60, 0, [2**60], [1])))
    hostile("short.pth", dictionary(a=tensor(7, 0, [7], [1])))
    hostile("ranks.pth", dictionary(a=tensor(6, 0, [2, 3], [3])))
    hostile("nowhere.pth", dictionary(a=tensor(6, 0, [6], [1], key="9")))
    hostile("climb.pth", dictionary(a=tensor(6, 0, [6], [1], key="../../../etc/passwd")))
    hostile("big_endian.pth", dictionary(a=tensor(6, 0, [6], [1])), byteorder=b"big")
    hostile("twice.pth", b"}" + (text("a") + tensor(6, 0, [6], [1]) + b"s") * 2)
    hostile("getattr.pth", dictionary(a=function("builtins", "getattr") + b")R"))
    hostile("stack_global.pth", dictionary(a=text("os") + text("system") + b"\x93" + tuple_of(text("touch hacked")) + b"R"), proto=b"\x80\x04")
    hostile("inst.pth", b"(" + text("touch hacked") + b"ios\nsystem\n")
    hostile("newobj.pth", function("collections", "OrderedDict") + b")\x81")
    hostile("underflow.pth", b"000")
    hostile("no_mark.pth", b"}u")
    hostile("memo.pth", b"h\x05")
    hostile("cut_text.pth", b"X\xff\xff\xff\x7fabc")
    hostile("left_over.pth", b"}}")
    hostile("deep.pth", b"]" + b"\x85" * 20000, packed=zipfile.ZIP_DEFLATED)
    hostile("circle.pth", b"}q\x00" + text("a") + b"h\x00s")
    hostile("protocol.pth", b"}", proto=b"\x80\x09")
    many = b"".join(text("t%d" % i) + b"h\x01" for i in range(400))
    hostile("repeated.pth", tensor(600, 0, [600], [1]) + b"q\x010}(" + many + b"u", data=b"\0" * 2400, packed=zipfile.ZIP_DEFLATED)
    (OUT / "pickle.pkl").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    print(f"{len(list(OUT.iterdir()))} files of torch {torch.__version__} in {OUT}")


if __name__ == "__main__":
    main()
