"""Temperature scaling (Guo et al. 2017): one number, fitted on validation, so that confidences mean what they say."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

from fusion.engine.head import FloatArray

LOG_LIMIT = 3.0  # temperatures from 1/20 to 20


def fit_temperature(logits: FloatArray, truth: npt.NDArray[np.int64]) -> float:
    """The temperature of least negative log-likelihood; truth [n] class indices, n at least 1.

    Logits are [n, k], or [members, n, k] of an ensemble, whose mean probability is judged with one temperature for all.
    """
    rows = np.arange(len(truth))
    members = logits.astype(np.float64).reshape(-1, *logits.shape[-2:])

    def measure(log_temperature: float) -> float:
        own = log_softmax(members / np.exp(log_temperature), axis=2)[:, rows, truth]
        return float(np.log(len(members)) - logsumexp(own, axis=0).mean())

    found = minimize_scalar(measure, bounds=(-LOG_LIMIT, LOG_LIMIT), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
