"""Makes tests/golden/principal_axes.safetensors with numpy: 40 rows of 6 features, their mean, axes and variances by a
singular value decomposition of the centred rows. Each axis has its largest loading positive."""

import pathlib

import numpy as np
import torch

from formula import centred, write

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"

rows = centred((40, 6), 11).numpy() @ np.diag([4.0, 3, 2, 1, 0.5, 0.25]) @ centred((6, 6), 12).numpy() + 5
_, singular, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
axes *= np.sign(axes[range(6), np.abs(axes).argmax(1)])[:, None]
write(
    GOLDEN / "principal_axes.safetensors",
    {
        "rows": torch.from_numpy(rows),
        "mean": torch.from_numpy(rows.mean(0)),
        "axes": torch.from_numpy(axes.T.copy()),
        "variance": torch.from_numpy(singular**2 / 39),
    },
    {"made_by": f"scripts/golden/principal_axes.py, numpy {np.__version__}"},
)
print(singular**2 / 39)
