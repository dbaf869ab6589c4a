"""Makes tests/golden/tsne.safetensors with scikit-learn's exact t-SNE (PCA start, perplexity 30) of 120 points in 16
dimensions: 6 groups of 20 whose spreads differ.

Holds the points, scikit-learn's map, its divergence and its trustworthiness (5 neighbours). Needs scikit-learn and
safetensors, which nothing else here does; made with scikit-learn 1.x, the versions are in the file.
"""

import pathlib

import numpy as np
import sklearn
from safetensors.numpy import save_file
from sklearn.manifold import TSNE, trustworthiness

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"

random = np.random.default_rng(5)
centres = random.normal(size=(6, 1, 16)) * 2
spread = np.array([0.3, 0.5, 0.8, 1.0, 1.5, 2.0]).reshape(6, 1, 1)
points = (centres + spread * random.normal(size=(6, 20, 16))).reshape(-1, 16).astype(np.float32)
model = TSNE(2, perplexity=30, method="exact", init="pca", learning_rate="auto", max_iter=1000, random_state=0)
found = model.fit_transform(points.astype(np.float64))
save_file(
    {
        "points": points,
        "map": found.astype(np.float64),
        "divergence": np.array([model.kl_divergence_]),
        "trustworthiness": np.array([trustworthiness(points.astype(np.float64), found, n_neighbors=5)]),
    },
    GOLDEN / "tsne.safetensors",
    metadata={"sklearn": sklearn.__version__, "numpy": np.__version__},
)
print(model.kl_divergence_, trustworthiness(points, found, n_neighbors=5), model.n_iter_)
