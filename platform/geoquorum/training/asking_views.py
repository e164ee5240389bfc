"""The page on which a run's doubts become a campaign."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.training.asking_forms import AskForm
from geoquorum.training.models import Run
from geoquorum.training.preranking import can_ask, start_asking
from geoquorum.training.unlabelled import list_members, list_unlabelled


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def ask_experts(request: HttpRequest, run_id: int) -> HttpResponse:
    """Form and start: a job drafts a campaign about what the run is unsure of."""
    found = Run.objects.select_related("project", "version__consensus_run__campaign")
    run = get_object_or_404(found, pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    if not can_ask(run):
        messages.error(request, _("Only a finished run that gives each sample a class can say what it is unsure of."))
        return redirect("training:run", run.pk)
    form = AskForm(request.POST if request.method == "POST" else None, run=run)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            start_asking(
                run=run,
                samples=values["samples"],
                question=values["question"],
                votes=values["votes"],
                policy=form.policy(),
                regions=list(values["regions"]),
                is_voting=values["is_voting"],
                name=values["name"],
                by=request.user,
            )
            messages.success(request, _("The run looks through the unlabelled samples; the draft appears here."))
            return redirect("training:run", run.pk)
        except GeoquorumError as error:
            form.add_error(None, str(error))
    context = {"form": form, "run": run, "count": len(list_unlabelled(run)), "members": list_members(run)}
    return render(request, "training/ask.html", context, status=400 if form.errors else 200)
