"""Entry points of the release jobs."""

from celery import shared_task

from geoquorum.queue.services import run_claimed
from geoquorum.releases import chunks, services


@shared_task
def build(job_id: str) -> None:
    run_claimed(job_id, services.build)


@shared_task
def cut(job_id: str) -> None:
    run_claimed(job_id, chunks.cut_part)


@shared_task
def export(job_id: str) -> None:
    run_claimed(job_id, services.execute_export)
