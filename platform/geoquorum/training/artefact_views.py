"""The page of a run's files: what may be taken away, how to have it made, and each of them to download."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import record, require_role
from geoquorum.catalog.answers import NOTHING_RUNS
from geoquorum.queue.models import JobState
from geoquorum.training import artefacts
from geoquorum.training.models import Run

TITLES = {
    "bundle": gettext_lazy("Everything as one zip"),
    "weights": gettext_lazy("Weights (safetensors)"),
    "words": gettext_lazy("What the weights are (JSON)"),
    "domain": gettext_lazy("Features of training, for out-of-domain scores (safetensors)"),
    "onnx": gettext_lazy("Network with its normalisation (ONNX)"),
    "card": gettext_lazy("Model card (Markdown)"),
    "item": gettext_lazy("STAC item with the MLM extension (JSON)"),
    "report": gettext_lazy("Report of the run (JSON)"),
}
KINDS = {"card": "text/markdown; charset=utf-8", "item": "application/geo+json", "bundle": "application/zip"}


@login_required
@require_safe
def show_files(request: HttpRequest, run_id: int) -> HttpResponse:
    """Files of a finished run, or the button that has them made."""
    run = find_run(request.user, run_id)
    job, files = artefacts.find_job(run), artefacts.list_files(run)
    rows = [(part, title, files[part].stat().st_size) for part, title in TITLES.items() if part in files]
    is_at_work = job is not None and job.state in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
    card = files["card"].read_text(encoding="utf-8").split("---\n", 2)[2] if "card" in files else ""
    context = {"run": run, "job": job, "rows": rows, "state": artefacts.read_state(run), "is_at_work": is_at_work}
    return render(request, "training/files.html", context | {"card": card})


@login_required
@require_POST
def prepare_files(request: HttpRequest, run_id: int) -> HttpResponse:
    """Has the files made, or made anew."""
    run = find_run(request.user, run_id)
    try:
        artefacts.start(run=run, by=request.user)
    except GeoquorumError as error:
        messages.error(request, str(error))
    else:
        messages.info(request, _("The files are being made."))
    return redirect("training:files", run.pk)


@login_required
@require_safe
def download_file(request: HttpRequest, run_id: int, part: str) -> FileResponse:
    """One file of a run, by the name of its part."""
    return send_file(request.user, run_id, part)


def send_file(user: User, run_id: int, part: str) -> FileResponse:
    """A file of a run as a download. The record of who took out what is why this GET may write a row."""
    run = find_run(user, run_id)
    path = artefacts.list_files(run).get(part)
    if path is None:
        raise Http404
    record(
        project=run.project, actor=user, action="model file downloaded", subject=f"run {run.pk}", detail={"part": part}
    )
    name = artefacts.NAMES.get(part, artefacts.BUNDLE)
    kind = KINDS.get(part, "application/json" if name.endswith(".json") else "application/octet-stream")
    answer = FileResponse(path.open("rb"), as_attachment=True, filename=f"run-{run.pk}-{name}", content_type=kind)
    answer["Content-Security-Policy"] = NOTHING_RUNS
    return answer


def find_run(user: User, run_id: int) -> Run:
    """A run whose files this curator may take."""
    run = get_object_or_404(Run.objects.select_related("project", "version"), pk=run_id)
    require_role(user=user, project=run.project, minimum=Role.CURATOR)
    return run
