"""Classes of patches, whatever the pack holds: its own modalities and its own scheme."""

from fusion.task import Task

TASK = Task(
    name="patch_classes",
    title="Patch classes",
    modalities=(),
    target="",
    head="classes",
    scheme=None,
    network="sen2lcz",
    objective="supervised",
    metric="oa",
    defaults={
        "network": {"name": "sen2lcz", "width": 8, "depth": 9, "dropout": 0.2},
        "objective": {"name": "supervised", "target": "distribution"},
    },
)
