"""Local climate zones of patches from Sentinel-1 and Sentinel-2, learned from the experts' whole vote distribution."""

from fusion.task import Task

TASK = Task(
    name="lcz",
    title="Local climate zones",
    modalities=("sentinel1", "sentinel2"),
    target="lcz17",
    head="classes",
    scheme="lcz17",
    network="sen2lcz",
    objective="supervised",
    metric="oa",
    defaults={
        "network": {"name": "sen2lcz", "width": 8, "depth": 17, "dropout": 0.2},
        "objective": {"name": "supervised", "target": "distribution"},
    },
    source="Zhu et al. 2020, So2Sat LCZ42; soft labels: Koller, Kauermann, Zhu 2024, doi 10.1109/TGRS.2023.3336357",
)
