"""Forms of accounts."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from geoquorum.accounts.guard import count_try, forgive_tries
from geoquorum.accounts.models import Project, Token, User
from geoquorum.accounts.services import projects_of

# One sentence for a wrong name, a wrong password and too many tries: it tells nobody which.
REFUSED = _("Name and password do not fit, or there were too many tries. Try again, at the latest in five minutes.")
LASTS = [(7, _("a week")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))]


class SignInForm(AuthenticationForm):
    """Signing in on the pages."""

    error_messages = {"invalid_login": REFUSED, "inactive": REFUSED}


class StaffSignInForm(AdminAuthenticationForm):
    """Signing in to the administration."""

    error_messages = {"invalid_login": REFUSED, "inactive": REFUSED}


class NewPasswordForm(PasswordChangeForm):
    """A new password; the old one asked for here is guarded like those of the other doors."""

    def clean_old_password(self) -> str:
        if not count_try(self.user.get_username()):
            raise ValidationError(REFUSED)
        old = super().clean_old_password()
        forgive_tries(self.user.get_username())
        return old


class ProfileForm(forms.ModelForm):
    """What a person may change about their own account."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email"]


class TokenForm(forms.Form):
    """A new token for one of one's own projects."""

    name = forms.CharField(label=_("What for"), max_length=80)
    project = forms.ModelChoiceField(label=_("Project"), queryset=Project.objects.none(), empty_label=None)
    scopes = forms.MultipleChoiceField(
        label=_("It may"), choices=Token.Scope, widget=forms.CheckboxSelectMultiple, initial=[Token.Scope.READ]
    )
    days = forms.TypedChoiceField(label=_("It lasts"), choices=LASTS, coerce=int, initial=90)

    def __init__(self, *args: Any, user: User, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.fields["project"].queryset = projects_of(user)
