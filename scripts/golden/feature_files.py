"""Writes tests/golden/features/: feature files as h5py and numpy make them, and hostile relatives of the HDF5 ones.

Run with a Python that has numpy and h5py: python3 scripts/golden/feature_files.py. The tests know the values: feature j of row i is
i + j / 4 (of region r: i + j / 4 + 100 r), and the ids are kIds there. Only this script renews the files; they were made with
numpy 2.4.6 and h5py 3.16.0 (HDF5 2.0.0, in the format of 1.8).
"""

import pathlib

import h5py
import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "features"
IDS = ["a.jpg", "b/ü.jpg", "日.png", "10"]


def rows(dtype=np.float32, regions=0):
    plain = np.arange(4)[:, None] + np.arange(3)[None, :] / 4
    if regions:
        plain = plain[:, None, :] + 100 * np.arange(regions)[None, :, None]
    return plain.astype(dtype)


def h5(name):
    return h5py.File(OUT / name, "w", libver=("earliest", "v108"))


OUT.mkdir(exist_ok=True)
np.save(OUT / "double.npy", rows(np.float64))
np.save(OUT / "letters.npy", np.array(IDS))
np.savez(OUT / "letters.npz", features=rows(np.float16), ids=np.array(IDS), boxes=np.zeros((4, 2, 4), np.float32))
np.savez_compressed(OUT / "compressed.npz", features=rows(), ids=np.array(IDS))
np.savez(OUT / "objects.npz", features=rows(), ids=np.array(IDS, dtype=object))
np.save(OUT / "fortran.npy", np.asfortranarray(rows()))
np.save(OUT / "big_endian.npy", rows(">f4"))

with h5("free.h5") as f:
    f.create_dataset("features", data=rows(), chunks=(2, 3), compression="gzip")
    f.create_dataset("ids", data=IDS, dtype=h5py.string_dtype())
with h5("fixed.h5") as f:
    f["train/features"] = rows(np.float64, regions=2)
    f["train/ids"] = np.array([each.encode() for each in IDS])
with h5("integers.h5") as f:
    f["embeddings"] = rows(np.float16)
    f["ids"] = np.array([7, -1, 1 << 40, 0])
with h5("no_ids.h5") as f:
    f["features"] = rows()
with h5("counts.h5") as f:  # ids that claim memory
    f["features"] = rows()
    f.create_dataset("ids", shape=(1 << 40,), dtype=h5py.string_dtype(), chunks=(1 << 10,))
with h5("huge.h5") as f:  # rows that nobody wrote
    f.create_dataset("features", shape=(1 << 40, 1 << 20), dtype=np.float32, chunks=(1, 1 << 20))
    f["ids"] = np.array([1, 2])
with h5("elsewhere.h5") as f:  # data in another file
    f.create_dataset("features", shape=(4, 3), dtype=np.float32, external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])
    f["ids"] = np.arange(4)
with h5("linked.h5") as f:
    f["features"] = h5py.ExternalLink("free.h5", "features")
    f["ids"] = np.arange(4)
with h5("words.h5") as f:
    f["features"] = np.arange(12).reshape(4, 3)
    f["ids"] = np.arange(4)
