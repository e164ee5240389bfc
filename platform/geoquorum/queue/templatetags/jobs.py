"""Words for jobs."""

from django import template

from geoquorum.queue.models import Job

register = template.Library()


@register.filter
def job_title(job: Job) -> str:
    """`geoquorum.training.jobs.execute_run` as `training: execute run`."""
    parts = job.kind.split(".")
    name = parts[-1].replace("_", " ")
    return f"{parts[1]}: {name}" if parts[0] == "geoquorum" and len(parts) > 2 else name
