"""Celery's entry points of the queue itself."""

from celery import shared_task

from geoquorum.queue import services


@shared_task
def ping(job_id: str) -> None:
    """A worker answers."""
    services.run_claimed(job_id, services.answer_ping)
