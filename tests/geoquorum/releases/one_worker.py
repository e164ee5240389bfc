"""A process of its own that takes jobs of one version until that has ended: `python -m` with its words as JSON.

A worker is started anew rather than forked: the test process has threads, and a lock that one of them holds at that
moment would stay locked in a copy for ever.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a worker must know: its database (NAME, USER, PASSWORD), where data lies, the version, and when to die."""

    database: dict[str, str]
    data: str
    version: int
    seed: int
    parts_until_death: int | None = None

    def encode(self) -> str:
        return json.dumps(asdict(self))


def main(words: Words) -> None:
    set_up(words)
    from geoquorum.releases.models import BuildState, DatasetVersion

    slow_down(words.parts_until_death)
    chance = random.Random(words.seed)
    while not DatasetVersion.objects.filter(pk=words.version, state__in=(BuildState.READY, BuildState.FAILED)).exists():
        if not take_any(chance):
            time.sleep(0.02)


def set_up(words: Words) -> None:
    """Django as in the test that started this process, but for what only that process has changed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geoquorum.settings")
    import django
    from django.conf import settings

    settings.DATABASES["default"] |= words.database
    settings.GEOQUORUM_DATA = type(settings.GEOQUORUM_DATA)(words.data)
    django.setup()

    import geoquorum.celery
    from geoquorum.releases import cuts

    cuts.IN_MEMORY_BYTES = 1
    geoquorum.celery.app.send_task = lambda *words, **options: None  # workers here look by themselves


def take_any(chance: random.Random) -> bool:
    """Work on one job that waits, whichever; whether there was one."""
    from geoquorum.queue.models import Job, JobState
    from geoquorum.queue.services import run_claimed
    from geoquorum.releases import chunks, services

    kinds = {"geoquorum.releases.jobs.build": services.build, chunks.KIND: chunks.cut_part}
    waiting = list(Job.objects.filter(state=JobState.QUEUED, kind__in=kinds).values_list("pk", "kind"))
    if waiting:
        job, kind = chance.choice(waiting)
        run_claimed(job, kinds[kind])
    return bool(waiting)


def slow_down(parts_until_death: int | None) -> None:
    """A part takes as long as others need to notice those that wait."""
    from fusion.cutting import files

    cut, begun = files.cut, []

    def cut_slowly(chunk: Any) -> Iterator[Any]:
        begun.append(chunk.id)
        for batch in cut(chunk):
            time.sleep(0.1)
            yield batch
            if parts_until_death is not None and len(begun) > parts_until_death:
                os.kill(os.getpid(), signal.SIGKILL)

    files.cut = cut_slowly


if __name__ == "__main__":
    main(Words(**json.loads(sys.argv[1])))
