"""The majority baseline answers with the training split's shares and nothing else."""

import numpy as np
import pyarrow as pa
import pytest

from fusion.baselines import majority_class
from fusion.errors import PackError
from fusion.pack import Pack, TargetSpec, write_pack


def write(folder, splits, labels):
    shares = [[1.0, 0.0] if label == "water" else [0.0, 1.0] for label in labels]
    write_pack(
        folder,
        name="toy",
        number=1,
        samples=pa.table(
            {"id": list(map(str, range(len(splits)))), "split": splits, "label": labels, "distribution": shares}
        ),
        arrays={},
        targets={"wet": TargetSpec(head="classes", scheme="water")},
        provenance={},
        seed=0,
    )
    return Pack.open(folder)


def test_every_sample_gets_the_shares_of_the_training_labels(tmp_path):
    splits = ["train"] * 4 + ["test"] * 3 + ["validation"]
    pack = write(tmp_path / "p", splits, ["dry", "dry", "dry", "water", "water", "water", "water", "dry"])
    assert majority_class.fit_predict(pack, []).tolist() == [[0.25, 0.75]] * 3
    assert majority_class.fit_predict(pack, [], split="validation").shape == (1, 2)
    assert majority_class.fit_predict(pack, []).dtype == np.float32


def test_no_training_samples_is_said(tmp_path):
    pack = write(tmp_path / "p", ["test"], ["dry"])
    with pytest.raises(PackError, match="no train samples"):
        majority_class.fit_predict(pack, [])
