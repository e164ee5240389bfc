"""Celery's entry points of campaigns."""

from celery import shared_task

from geoquorum.campaigns import services
from geoquorum.queue.services import run_claimed


@shared_task
def refit(job_id: str) -> None:
    """Fill a consensus run."""
    run_claimed(job_id, services.refit)


@shared_task
def refit_model(job_id: str) -> None:
    """Fit the model of an adaptive round."""
    run_claimed(job_id, services.refit_model)
