"""The list of background jobs: what waits, runs, is done or failed, and why; and the button that cancels."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from geoquorum.accounts.current import current_project, projects_in_view
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.queue import services
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.templatetags.jobs import job_title

PER_PAGE = 30


@login_required
@require_safe
def list_jobs(request: HttpRequest) -> HttpResponse:
    """Jobs of one's projects, the newest first; `?state=` keeps one state. htmx asks for the rows alone."""
    jobs = jobs_in_view(request)
    state = request.GET.get("state", "")
    if state in JobState.values:
        jobs = jobs.filter(state=state)
    page = Paginator(jobs.order_by("-created_at"), PER_PAGE).get_page(request.GET.get("page"))
    alive = any(not job.is_over for job in page)
    context = {"page": page, "state": state, "states": JobState.choices, "is_alive": alive}
    return render(request, "queue/rows.html" if request.htmx else "queue/list.html", context)


def jobs_in_view(request: HttpRequest) -> QuerySet[Job]:
    """Jobs of the projects in view, without their parts; those that belong to no project are for staff."""
    shown = Q(project__in=projects_in_view(request))
    if request.user.is_staff and current_project(request) is None:
        shown |= Q(project=None)
    return Job.objects.filter(shown, parent=None).select_related("project")


@login_required
@require_POST
def cancel_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """A waiting job ends at once, a running one at its next check. For curators of its project."""
    job = get_object_or_404(Job.objects.select_related("project"), pk=job_id)
    if job.project is not None:
        require_role(user=request.user, project=job.project, minimum=Role.CURATOR)
    elif not request.user.is_staff:
        raise Http404
    services.request_cancel(job)
    messages.info(request, _("%(job)s: asked to stop.") % {"job": job_title(job)})
    return redirect("queue:list")
