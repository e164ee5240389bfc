"""Small packs with a target of every shape: plates of two kinds on a slope, seen in two bands.

Plates are oriented boxes; their kinds differ in brightness. The second band shows the slope's height.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fusion.boxes import paint_boxes
from fusion.pack import ArraySource, Pack, TargetSource, TargetSpec, write_pack

SIDE = 24
SPLITS = ("train",) * 40 + ("validation",) * 10 + ("test",) * 10
NODATA, NO_HEIGHT = 255, -9999.0


def draw_boxes(rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """One or two plates, none at the edge, none on another, each kind of one brightness."""
    boxes: list[np.ndarray] = []
    for _ in range(rng.integers(1, 3)):
        box = np.array([*rng.uniform(6, side - 6, 2), *rng.uniform([7, 3], [9, 4.5]), rng.uniform(-80, 80)])
        if all(np.hypot(*(box[:2] - other[:2])) > 9 for other in boxes):
            boxes.append(np.append(box, rng.integers(0, 2)))
    return np.array(boxes, dtype=np.float32)


def make_samples(n: int = len(SPLITS), seed: int = 0, side: int = SIDE) -> dict[str, Any]:
    """`image` uint16 [n, 2, y, x], `boxes` per sample, `mask` uint8, `height` float32 [n, 1, y, x], `level` [n, 2]."""
    rng = np.random.default_rng(seed)
    boxes = [draw_boxes(rng, side) for _ in range(n)]
    y, x = np.mgrid[:side, :side] / side
    slopes = rng.uniform(-1, 1, (n, 3, 1, 1))
    height = (10 + 4 * slopes[:, 0] + 4 * slopes[:, 1] * x + 4 * slopes[:, 2] * y).astype(np.float32)
    kinds = np.stack([[paint_boxes(own[own[:, 5] == kind], (side, side)) for kind in (0, 1)] for own in boxes])
    image = np.stack([1000 + 1500 * kinds[:, 0] + 3000 * kinds[:, 1], 1000 + 300 * height], axis=1)
    image = image + rng.normal(0, 60, image.shape)
    return {
        "image": np.clip(image, 1, 65535).astype(np.uint16),
        "boxes": boxes,
        "mask": kinds.any(axis=1).astype(np.uint8),
        "height": height[:, None],
        "level": np.stack([height.mean(axis=(1, 2)), kinds.mean(axis=(1, 2, 3))], axis=1).astype(np.float32),
    }


def list_targets(samples: dict[str, Any], present: np.ndarray | None = None) -> dict[str, TargetSpec]:
    """One target of each shape; of `plates` only the samples that are `present` were looked at."""
    side = samples["image"].shape[-1]
    dense = {
        "ground": ("mask", "water", ("y", "x"), samples["mask"], NODATA, ""),
        "height": ("field", None, ("band", "y", "x"), samples["height"], NO_HEIGHT, "m"),
        "level": ("field", None, ("band",), samples["level"], None, ""),
    }
    found = {}
    for name, (head, scheme, dims, values, nodata, unit) in dense.items():
        source = TargetSource(
            dims=dims, dtype=str(values.dtype), shape=values.shape[1:], chunks=[values], nodata=nodata, unit=unit
        )
        found[name] = TargetSpec(head=head, scheme=scheme, values=source)
    boxes = TargetSource(
        dims=("box", "column"), dtype="float32", shape=(None, 6), chunks=[samples["boxes"]], present=present
    )
    return found | {"plates": TargetSpec(head="boxes", scheme="water", values=boxes)} if side else found


def write_shaped_pack(
    folder: Path,
    samples: dict[str, Any],
    *,
    targets: dict[str, TargetSpec] | None = None,
    modalities: int = 1,
    present: np.ndarray | None = None,
) -> Pack:
    """The samples as a pack in blocks of five; with two modalities the bands lie in an array each."""
    image = samples["image"]
    n = len(image)
    table = pa.table(
        {
            "id": [f"s{row:02d}" for row in range(n)],
            "split": list(SPLITS[:n]),
            "block": [f"b{row // 5}" for row in range(n)],
            "city": [f"c{row // 20}" for row in range(n)],
        }
    )
    parts = {"s2": (image, ("B4", "B8"))}
    if modalities == 2:
        parts = {"red": (image[:, :1], ("B4",)), "infrared": (image[:, 1:], ("B8",))}
    arrays = {
        name: ArraySource(
            modality="sentinel2",
            dims=("band", "y", "x"),
            dtype="uint16",
            bands=bands,
            shape=values.shape[1:],
            chunks=[values],
        )
        for name, (values, bands) in parts.items()
    }
    write_pack(
        folder,
        name="shaped",
        number=1,
        samples=table,
        arrays=arrays,
        targets=list_targets(samples, present) if targets is None else targets,
        provenance={"simulated": True, "seed": 0},
        seed=0,
    )
    return Pack.open(folder)
