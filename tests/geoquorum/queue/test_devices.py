"""Which devices a machine has, and who may use them: one run at a time on each (architecture, section 5)."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from fusion.errors import BadInputError
from geoquorum.queue import claims, devices, services, slots, turns
from geoquorum.queue.devices import list_devices, show_only
from geoquorum.queue.models import DeviceSlot, Job, JobState

PING = "geoquorum.queue.jobs.ping"


def _claim(job: Job) -> tuple[str, ...]:
    claimed = claims.claim_job(job.id, "w")
    assert claimed is not None
    return slots.list_devices_of(claimed)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with three cards."""
    own = ("cuda:0", "cuda:1", "cuda:2")
    for module in (slots, turns):
        monkeypatch.setattr(module, "own_devices", lambda: own)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, ("cuda:0", "cuda:2")),
        ({"CUDA_VISIBLE_DEVICES": "GPU-5f3a"}, ("cuda:GPU-5f3a",)),
        ({"CUDA_VISIBLE_DEVICES": ""}, ("cpu:0",)),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ("cpu:0",)),
        ({"CUDA_VISIBLE_DEVICES": "0", "GEOQUORUM_DEVICES": "cpu, cpu"}, ("cpu:0", "cpu:1")),
        ({"GEOQUORUM_DEVICES": "cuda:1,cuda:3"}, ("cuda:1", "cuda:3")),
    ],
)
def test_devices_are_those_of_the_setting_or_of_the_machine(given: dict[str, str], found: tuple[str, ...]) -> None:
    assert list_devices(given) == found


def test_the_driver_is_asked_where_nothing_else_says(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "import sys; print('0\\n1')"
    monkeypatch.setattr(devices, "ASK_NVIDIA", (sys.executable, "-c", told))
    assert list_devices({}) == ("cuda:0", "cuda:1")
    monkeypatch.setattr(devices, "ASK_NVIDIA", ("no-such-program",))
    assert list_devices({}) == ("cpu:0",)


@pytest.mark.parametrize("given", ["gpu", "cuda", "cuda:0,cuda:0", "2", ",", "cpu cuda:0"])
def test_a_setting_that_names_no_device_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(BadInputError, match="GEOQUORUM_DEVICES"):
        list_devices({"GEOQUORUM_DEVICES": given})


def test_finding_devices_imports_neither_torch_nor_django() -> None:
    code = (
        "import sys; from geoquorum.queue.devices import own_devices; own_devices(); "
        "sys.exit(bool({'torch', 'django'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_process_sees_the_cards_of_its_slots_and_none_on_a_slot_of_the_processor() -> None:
    assert show_only(("cuda:3", "cuda:0")) == {"CUDA_VISIBLE_DEVICES": "3,0"}
    assert show_only(("cpu:0",)) == {"CUDA_VISIBLE_DEVICES": ""}
    assert show_only(()) == {}


def test_each_device_has_one_run_at_a_time(db: None, three: None) -> None:
    jobs = [Job.objects.create(kind=PING, devices=1) for _ in range(4)]
    assert [_claim(job) for job in jobs[:3]] == [("cuda:0",), ("cuda:1",), ("cuda:2",)]
    with pytest.raises(claims.NoDevice):
        claims.claim_job(jobs[3].id, "w")
    jobs[3].refresh_from_db()
    assert (jobs[3].state, jobs[3].attempts) == (JobState.QUEUED, 0)


def test_a_run_of_several_processes_takes_as_many_devices(db: None, three: None) -> None:
    two, also_two = (Job.objects.create(kind=PING, devices=2) for _ in range(2))
    assert _claim(two) == ("cuda:0", "cuda:1")
    with pytest.raises(claims.NoDevice):
        claims.claim_job(also_two.id, "w")


@pytest.mark.parametrize("end", ["done", "failed", "lease", "paused", "given back"])
def test_a_device_is_free_as_soon_as_the_claim_ends(db: None, end: str) -> None:
    """Row F4: the slot of a dead worker's job is free once the reaper has looked at it."""
    first, second = (Job.objects.create(kind=PING, devices=1) for _ in range(2))
    job = claims.claim_job(first.id, "w")
    assert job is not None
    {
        "done": lambda: claims.finish(job, None),
        "failed": lambda: claims.fail(job, "x", retry=True),
        "lease": lambda: services.reap(timezone.now() + timedelta(hours=1)),
        "paused": lambda: claims.pause(job),
        "given back": lambda: claims.give_back(job, "stopped"),
    }[end]()
    assert len(_claim(second)) == 1


def test_a_stale_claim_names_no_device(db: None) -> None:
    row = Job.objects.create(kind=PING, devices=1)
    stale = claims.claim_job(row.id, "stale")
    services.reap(timezone.now() + timedelta(hours=1))
    fresh = claims.claim_job(row.id, "fresh")
    assert stale is not None
    assert fresh is not None
    assert (len(slots.list_devices_of(stale)), len(slots.list_devices_of(fresh))) == (0, 1)


def test_devices_that_a_machine_has_no_more_are_forgotten(db: None, three: None, monkeypatch: Any) -> None:
    _claim(Job.objects.create(kind=PING, devices=1))
    monkeypatch.setattr(slots, "own_devices", lambda: ("cuda:0", "cuda:7"))
    _claim(Job.objects.create(kind=PING, devices=1))
    assert set(DeviceSlot.objects.values_list("device", flat=True)) == {"cuda:0", "cuda:7"}
    assert slots.find_largest_machine() == 2
