"""Entry points of the catalog's jobs."""

from celery import shared_task

from geoquorum.catalog import linking
from geoquorum.queue.services import run_claimed


@shared_task
def link(job_id: str) -> None:
    run_claimed(job_id, linking.execute_link)
