"""Kinds of change from patches of two or more dates of one sensor: city, soil, water, or none."""

from fusion.task import Task

TASK = Task(
    name="change_kinds",
    title="Kinds of change",
    modalities=(),
    target="",
    head="classes",
    scheme="change_kinds",
    network="recnn",
    objective="supervised",
    metric="oa",
    defaults={
        "network": {"name": "recnn"},
        "objective": {"name": "supervised", "target": "label"},
        "baselines": ["majority_class", "logistic"],
    },
    source="Mou, Bruzzone & Zhu 2019, doi 10.1109/TGRS.2018.2863224",
)
