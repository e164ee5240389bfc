"""ExportSpec: a checkpoint to be written as ONNX, as JSON. Knows no torch."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ExportSpec:
    """A checkpoint (a file, or a run's folder) as one ONNX file, with `facts` among its properties.

    Its answers are compared with torch's on `samples` random inputs and on as many of `pack`, where one is named;
    a difference above `tolerance` refuses the export.
    """

    checkpoint: str
    output: str = "network.onnx"
    pack: str = ""
    pack_sha256: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    tolerance: float = 1e-4
    samples: int = 16
    seed: int = 0
    threads: int = 1
