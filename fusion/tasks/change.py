"""Changed or unchanged, from patches of two or more dates of one sensor."""

from fusion.task import Task

TASK = Task(
    name="change",
    title="Change between dates",
    modalities=(),
    target="",
    head="classes",
    scheme="change",
    network="recnn",
    objective="supervised",
    metric="oa",
    defaults={
        "network": {"name": "recnn"},
        "objective": {"name": "supervised", "target": "label"},
        "baselines": ["majority_class", "change_vectors", "logistic"],
    },
    source="Mou, Bruzzone & Zhu 2019, doi 10.1109/TGRS.2018.2863224",
)
