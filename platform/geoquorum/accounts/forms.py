"""Forms of accounts."""

from django import forms

from geoquorum.accounts.models import User


class ProfileForm(forms.ModelForm):
    """What a person may change about their own account."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email"]
