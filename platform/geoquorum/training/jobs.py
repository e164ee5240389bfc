"""Entry points of the training jobs."""

from celery import shared_task

from geoquorum.queue.services import run_claimed
from geoquorum.training import artefacts, map_parts, mapping, preranking, run_scores, search, services


@shared_task
def train(job_id: str) -> None:
    run_claimed(job_id, services.execute_run)


@shared_task
def draw_map(job_id: str) -> None:
    run_claimed(job_id, mapping.execute_map)


@shared_task
def draw_part(job_id: str) -> None:
    run_claimed(job_id, map_parts.draw_part)


@shared_task
def score_run(job_id: str) -> None:
    run_claimed(job_id, run_scores.execute_scoring)


@shared_task(name="geoquorum.training.jobs.search")
def find_settings(job_id: str) -> None:
    run_claimed(job_id, search.execute_search)


@shared_task
def ask_experts(job_id: str) -> None:
    run_claimed(job_id, preranking.execute_asking)


@shared_task
def prepare_artefacts(job_id: str) -> None:
    run_claimed(job_id, artefacts.prepare)
