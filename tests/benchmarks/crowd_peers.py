"""Labels by crowd-kit and cleanlab, in a process and with an interpreter of their own: files in, files out.

Called as `PYTHON tests/benchmarks/crowd_peers.py FOLDER [--slow]`; imports nothing of this project. The folder holds
votes.npz (sample, voter, answer; and probabilities [n, k] of a classifier where there is one); labels.npz is written,
one array of class indices per method.
"""

import sys
from pathlib import Path

import numpy as np

ITERATIONS = 100


def label_with_crowdkit(votes, is_slow):
    """Labels by method; GLAD, which takes minutes on a large crowd, only where slow ones are asked for."""
    import pandas as pd
    from crowdkit.aggregation import GLAD, MMSR, DawidSkene, MajorityVote, OneCoinDawidSkene, Wawa

    frame = pd.DataFrame({"task": votes["sample"], "worker": votes["voter"], "label": votes["answer"]})
    methods = {
        "crowd-kit MajorityVote": lambda: MajorityVote().fit_predict(frame),
        "crowd-kit DawidSkene": lambda: DawidSkene(n_iter=ITERATIONS).fit_predict(frame),
        "crowd-kit OneCoin": lambda: OneCoinDawidSkene(n_iter=ITERATIONS).fit_predict(frame),
        # As Wawa.predict does; its own check of being fitted fails with newer scikit-learn.
        "crowd-kit Wawa": lambda: MajorityVote().fit_predict(frame, Wawa().fit(frame).skills_),
        "crowd-kit MMSR": lambda: MMSR(n_iter=ITERATIONS).fit_predict(frame),
    }
    if is_slow:
        methods["crowd-kit GLAD"] = lambda: GLAD(n_iter=50, silent=True).fit_predict(frame)
    return {name: run().sort_index().to_numpy() for name, run in methods.items()}


def label_with_cleanlab(votes):
    """CROWDLAB with a classifier's probabilities, and cleanlab's majority."""
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator, get_majority_vote_label

    table = np.full((votes["sample"].max() + 1, votes["voter"].max() + 1), np.nan)
    table[votes["sample"], votes["voter"]] = votes["answer"]
    frame = pd.DataFrame(table)
    labels = {"cleanlab majority": np.asarray(get_majority_vote_label(frame, verbose=False))}
    if "probabilities" in votes:
        found = get_label_quality_multiannotator(
            frame, votes["probabilities"], verbose=False, return_detailed_quality=False
        )
        labels["cleanlab CROWDLAB with a classifier"] = found["label_quality"]["consensus_label"].to_numpy()
    return labels


def main():
    folder = Path(sys.argv[1])
    np.random.seed(0)  # crowd-kit breaks ties by numpy's global generator
    with np.load(folder / "votes.npz") as file:
        votes = dict(file)
    labels = label_with_crowdkit(votes, "--slow" in sys.argv)
    if "probabilities" in votes:
        labels |= label_with_cleanlab(votes)
    np.savez(folder / "labels.npz", **labels)


if __name__ == "__main__":
    main()
