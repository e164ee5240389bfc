"""Pages of accounts: the own account with its tokens, and the choice of project. Signing in and out is Django's."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from fusion.errors import BadInputError
from geoquorum.accounts import current, tokens
from geoquorum.accounts.forms import ProfileForm, TokenForm
from geoquorum.accounts.models import Expert, Membership, Token


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_account(request: HttpRequest) -> HttpResponse:
    """Name and address, roles by project, the pseudonyms under which one votes, and one's tokens."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("account")
    return _show(request, form=form)


@login_required
@never_cache
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """Makes a token and shows it, this once: it is in this answer and nowhere else."""
    form, secret = TokenForm(request.POST, user=request.user), ""
    if form.is_valid():
        try:
            _token, secret = tokens.make_token(user=request.user, **form.cleaned_data)
        except BadInputError as error:
            form.add_error(None, str(error))
    if not secret:
        return _show(request, token_form=form, status=400)
    return _show(request, secret=secret)


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """From now on this token of one's own opens nothing."""
    token = get_object_or_404(Token.objects.select_related("project"), pk=token_id, user=request.user)
    tokens.revoke_token(token=token, by=request.user)
    messages.success(request, _("%(token)s is revoked.") % {"token": token})
    return redirect("account")


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


def _show(
    request: HttpRequest,
    *,
    form: ProfileForm | None = None,
    token_form: TokenForm | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    memberships = Membership.objects.filter(user=request.user).select_related("project").order_by("project__name")
    context: dict[str, Any] = {
        "form": form or ProfileForm(instance=request.user),
        "token_form": token_form or TokenForm(user=request.user),
        "memberships": memberships,
        "pseudonyms": dict(Expert.objects.filter(user=request.user).values_list("project_id", "pseudonym")),
        "tokens": tokens.valid_tokens().filter(user=request.user).select_related("project").order_by("-pk"),
        "secret": secret,
    }
    return render(request, "accounts/account.html", context, status=status)
