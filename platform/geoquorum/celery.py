"""The Celery application: it finds the entry points in each app's jobs.py."""

import os

from celery import Celery, Task
from celery.signals import worker_init, worker_shutting_down

from geoquorum.queue import shutdown
from geoquorum.queue.mending import mend_worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geoquorum.settings")


class JobInTurn(Task):
    """A message wakes a worker up for a queue; the row whose turn it is gets the worker, not always the one it names.

    Only a worker comes here, once for each message; the entry point itself takes the claimed row as well as an id.
    """

    abstract = True

    def __call__(self, job_id: str) -> None:
        from geoquorum.queue.claims import worker_name  # the apps are ready by now
        from geoquorum.queue.turns import claim_turn

        job = claim_turn(job_id, worker_name(), kinds=self.app.tasks)
        if job is not None:
            self.app.tasks[job.kind].run(job)


app = Celery("geoquorum", task_cls=JobInTurn)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")
# A job that runs for hours cannot be waited for: its heartbeat sees this, keeps a checkpoint and gives it back.
worker_shutting_down.connect(shutdown.ask)
worker_init.connect(mend_worker)
