"""What is learned: inputs, head, scheme, network, objective and metric, by name, so that the web needs no torch."""

from dataclasses import dataclass, field
from typing import Any, Literal

from fusion import registry


@dataclass(frozen=True, kw_only=True)
class Task:
    """A learning task. `modalities` are read in this order and stacked along the band axis.

    `scheme` is a scheme's name, or None where the pack's own target says which; `defaults` seed a RunSpec.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    target: str
    head: str
    scheme: str | None
    network: str
    objective: str
    metric: str
    metric_goal: Literal["max", "min"] = "max"
    defaults: dict[str, Any] = field(default_factory=dict)
    source: str = ""


def find(name: str) -> Task:
    """The task called `name`."""
    return registry.find_kind("fusion.tasks", name, "TASK", Task)


def load_all() -> dict[str, Task]:
    """Every task by name."""
    return registry.load_kinds("fusion.tasks", "TASK", Task)
