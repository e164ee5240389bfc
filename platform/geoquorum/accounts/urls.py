"""Pages of accounts."""

from django.contrib.auth import views as auth_views
from django.urls import path, reverse_lazy

from geoquorum.accounts import views
from geoquorum.accounts.forms import NewPasswordForm, SignInForm

urlpatterns = [
    path(
        "login/",
        auth_views.LoginView.as_view(redirect_authenticated_user=True, authentication_form=SignInForm),
        name="login",
    ),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("account/", views.show_account, name="account"),
    path(
        "account/password/",
        auth_views.PasswordChangeView.as_view(
            template_name="accounts/password.html", success_url=reverse_lazy("account"), form_class=NewPasswordForm
        ),
        name="password_change",
    ),
    path("account/tokens/", views.make_token, name="make_token"),
    path("account/tokens/<int:token_id>/revoke/", views.revoke_token, name="revoke_token"),
    path("account/project/", views.choose_project, name="choose_project"),
]
