"""Writes tests/golden/torch7/*.t7: what Lua Torch's torch.save would make of small objects, and hostile relatives of it.

Run with any Python 3: python3 scripts/golden/torch7.py. The tests know the values: every tensor is made of numbers 0, 1, 2, ...
Only this script renews the files. --check reads the sound ones back with torchfile (pip install torchfile), an independent reader.
"""

import argparse
import pathlib
import struct

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "torch7"
ITEM = {"Double": "d", "Float": "f", "Long": "q", "Int": "i", "Short": "h", "Char": "b", "Byte": "B"}


def i32(value):
    return struct.pack("<i", value)


def i64(*values):
    return struct.pack(f"<{len(values)}q", *values)


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return i32(len(raw)) + raw


NIL = i32(0)


def number(value):
    return i32(1) + struct.pack("<d", value)


def string(value):
    return i32(2) + text(value)


def boolean(value):
    return i32(5) + i32(int(value))


def table(index, *entries, count=None):
    """entries: pairs of bytes (key, value), or bytes alone for a list."""
    pairs = [entry if isinstance(entry, tuple) else (number(i + 1), entry) for i, entry in enumerate(entries)]
    return i32(3) + i32(index) + i32(len(pairs) if count is None else count) + b"".join(key + value for key, value in pairs)


def table_again(index):
    return i32(3) + i32(index)


def torch_again(index):
    return i32(4) + i32(index)


def storage(index, kind, values, count=None):
    head = i32(4) + i32(index) + text("V 1") + text(f"torch.{kind}Storage")
    return head + i64(len(values) if count is None else count) + struct.pack(f"<{len(values)}{ITEM[kind]}", *values)


def strided(index, kind, sizes, strides, numbers, offset=1, version="V 1"):
    head = i32(4) + i32(index) + (text(version) if version else b"") + text(f"torch.{kind}Tensor")
    return head + i32(len(sizes)) + i64(*sizes) + i64(*strides) + i64(offset) + numbers


def tensor(index, kind, *sizes, version="V 1"):
    """A contiguous tensor 0, 1, 2, ... with a storage of its own, whose index is the next one."""
    strides, count = [], 1
    for size in reversed(sizes):
        strides.insert(0, count)
        count *= size
    return strided(index, kind, sizes, strides, storage(index + 1, kind, range(count)), version=version)


def mixed():
    """Every kind of object once: all element types, views of one storage, references, a table that holds itself."""
    entries = [(string(kind.lower()), tensor(10 * (i + 1), kind, 2, 3)) for i, kind in enumerate(ITEM)]
    entries += [
        (string("transposed"), strided(100, "Float", [3, 2], [1, 3], torch_again(21))),
        (string("row"), strided(101, "Float", [3], [1], torch_again(21), offset=4)),
        (string("again"), torch_again(20)),
        (string("storage"), torch_again(21)),
        (string("empty"), strided(102, "Double", [], [], NIL)),
        (string("old"), tensor(103, "Byte", 2, version=None)),
        (string("list"), table(105, string("a"), number(2.5), boolean(True), NIL, string(b"\xff\x00"))),
        (number(7), string("seven")),
        (boolean(False), string("no")),
        (string("self"), table_again(1)),
    ]
    return table(1, *entries)


def nested(depth):
    out = number(1)
    for index in range(depth, 0, -1):
        out = table(index, out)
    return out


SOUND = {
    "mixed.t7": mixed(),
    "features.t7": strided(1, "Double", [2, 3, 4], [1, 8, 2], storage(2, "Double", range(24))),
    "features_float.t7": tensor(1, "Float", 2, 3, 4),
    "features_long.t7": tensor(1, "Long", 2, 3, 4),
    "features_nan.t7": strided(1, "Double", [1, 3, 1], [3, 1, 1], storage(2, "Double", [0, float("nan"), 2])),
    "features_flat.t7": tensor(1, "Float", 2, 3),
    "storage.t7": storage(1, "Long", range(4)),
    "number.t7": number(3.5),
    "nested_100.t7": nested(100),
}

SIX = storage(2, "Float", range(6))
HOSTILE = {
    "nested_101.t7": nested(101),
    "following.t7": number(1) + b"\0",
    "type.t7": i32(9),
    "big_endian.t7": struct.pack(">i", 4) + struct.pack(">i", 1),
    "text_form.t7": b"4\n1\n3\nV 1\n17\ntorch.FloatTensor\n",
    "function.t7": i32(8) + i32(1) + text("os.execute('touch hacked')") + NIL,
    "class.t7": i32(4) + i32(1) + text("V 1") + text("nn.Linear") + table(2),
    "cuda.t7": i32(4) + i32(1) + text("V 1") + text("torch.CudaTensor") + i32(0),
    "version.t7": strided(1, "Float", [2, 3], [3, 1], SIX, version="V 9"),
    "long_name.t7": i32(4) + i32(1) + text("V 1") + text("x" * 300),
    "boolean.t7": i32(5) + i32(2),
    "index.t7": table(0, number(1)),
    "string.t7": i32(2) + i32(2**31 - 1) + b"abc",
    "negative_string.t7": i32(2) + i32(-1) + b"abc",
    "entries.t7": table(1, number(1), count=2**31 - 1),
    "negative_entries.t7": table(1, count=-1),
    "nil_key.t7": table(1, (NIL, number(1))),
    "table_key.t7": table(1, (table(2), number(1))),
    "nan_key.t7": table(1, (number(float("nan")), number(1))),
    "same_key.t7": table(1, (string("a"), number(1)), (string("b"), number(1)), (string("a"), number(1))),
    "retyped.t7": table(1, tensor(2, "Float", 2), table_again(2)),
    "huge.t7": storage(1, "Float", range(6), count=2**60),
    "negative_count.t7": storage(1, "Float", range(6), count=-1),
    "short.t7": storage(1, "Float", range(6), count=7),
    "dimensions.t7": i32(4) + i32(1) + text("V 1") + text("torch.FloatTensor") + i32(2**31 - 1),
    "many_dimensions.t7": strided(1, "Float", [1] * 65, [1] * 65, SIX),
    "outside.t7": strided(1, "Float", [2, 3], [3, 1], SIX, offset=2),
    "before.t7": strided(1, "Float", [2, 3], [3, 1], SIX, offset=0),
    "least_offset.t7": strided(1, "Float", [2, 3], [3, 1], SIX, offset=-(2**63)),
    "stride.t7": strided(1, "Float", [2, 3], [4, 1], SIX),
    "negative.t7": strided(1, "Float", [-2, 3], [3, 1], SIX),
    "negative_stride.t7": strided(1, "Float", [2, 3], [-3, 1], SIX, offset=4),
    "overflow.t7": strided(1, "Float", [2**62, 4], [0, 0], SIX),
    "empty_overflow.t7": strided(1, "Float", [0, 2**62, 4], [0, 0, 0], SIX),
    "stride_overflow.t7": strided(1, "Float", [3, 1], [2**62, 1], SIX),
    "expanded.t7": strided(1, "Float", [1000], [0], SIX),
    "no_storage.t7": strided(1, "Float", [2], [1], NIL),
    "own_storage.t7": strided(1, "Float", [2], [1], torch_again(1)),
    "number_storage.t7": strided(1, "Float", [2], [1], number(1)),
    "other_storage.t7": strided(1, "Double", [2, 3], [3, 1], SIX),
}


def check():
    import torchfile

    found = torchfile.load(str(OUT / "mixed.t7"))
    for kind in ITEM:
        assert found[kind.lower().encode()].tolist() == [[0, 1, 2], [3, 4, 5]], kind
    assert found[b"transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found[b"row"].tolist() == [3, 4, 5]
    assert found[7] == b"seven"
    assert found[b"list"] == [b"a", 2.5, True, None, b"\xff\x00"], found[b"list"]
    features = torchfile.load(str(OUT / "features.t7"))
    assert features.shape == (2, 3, 4) and features[1, 2, 3] == 1 + 16 + 6
    print("torchfile reads the same")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="read the sound files back with torchfile")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for name, content in {**SOUND, **HOSTILE}.items():
        (OUT / name).write_bytes(content)
    if arguments.check:
        check()


if __name__ == "__main__":
    main()
