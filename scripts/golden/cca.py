"""Makes tests/golden/cca.safetensors with numpy: linear CCA of 60 pairs of 5 and 4 features.

Another way than ours, which whitens by eigenvectors and takes a singular value decomposition: without regularisation,
orthonormal bases of both views by QR and the singular values of their product; with r, the eigenvalues of
(Sxx + rI)^-1 Sxy (Syy + rI)^-1 Syx, which are the squared correlations, and its eigenvectors, scaled to
w' (Sxx + rI) w = 1. Each direction has its largest weight of x positive.
"""

import pathlib

import numpy as np
import torch

from formula import centred, write

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
R = 0.05

x = centred((60, 5), 1).numpy() @ np.diag([3.0, 1, 1, 0.5, 2]) + 7
y = x[:, :4] @ centred((4, 4), 2).numpy() + centred((60, 4), 3).numpy() - 2
a, b = x - x.mean(0), y - y.mean(0)

plain = np.linalg.svd(np.linalg.qr(a)[0].T @ np.linalg.qr(b)[0], compute_uv=False)

sxx, syy, sxy = a.T @ a / 59 + R * np.eye(5), b.T @ b / 59 + R * np.eye(4), a.T @ b / 59
values, left = np.linalg.eig(np.linalg.solve(sxx, sxy) @ np.linalg.solve(syy, sxy.T))
order = np.argsort(-values.real)[:4]
correlation, left = np.sqrt(values.real[order]), left.real[:, order]
left /= np.sqrt(np.einsum("ik,ij,jk->k", left, sxx, left))
left *= np.sign(left[np.abs(left).argmax(0), range(4)])
right = np.linalg.solve(syy, sxy.T) @ left / correlation

write(
    GOLDEN / "cca.safetensors",
    {
        "x": torch.from_numpy(x),
        "y": torch.from_numpy(y),
        "correlation": torch.from_numpy(plain),
        "regularised.correlation": torch.from_numpy(correlation.copy()),
        "regularised.x": torch.from_numpy((a @ left).copy()),
        "regularised.y": torch.from_numpy((b @ right).copy()),
    },
    {"made_by": f"scripts/golden/cca.py, numpy {np.__version__}", "r": str(R)},
)
print(plain, correlation)
