"""Pages of accounts: the own account, and the choice of project. Signing in and out is Django's."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from geoquorum.accounts import current
from geoquorum.accounts.forms import ProfileForm
from geoquorum.accounts.models import Expert, Membership


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_account(request: HttpRequest) -> HttpResponse:
    """Name and address, roles by project, and the pseudonyms under which one votes."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("account")
    memberships = Membership.objects.filter(user=request.user).select_related("project").order_by("project__name")
    pseudonyms = dict(Expert.objects.filter(user=request.user).values_list("project_id", "pseudonym"))
    return render(
        request, "accounts/account.html", {"form": form, "memberships": memberships, "pseudonyms": pseudonyms}
    )


@login_required
@require_POST
def choose_project(request: HttpRequest) -> HttpResponse:
    """Sets the project that lists show and goes back to the page it was chosen on."""
    current.choose_project(request, request.POST.get("project", ""))
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(target if is_ours else "home")
