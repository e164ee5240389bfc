"""All routes: each app's pages below its own prefix, the API below /api/v1/."""

from django.contrib import admin
from django.urls import include, path

from geoquorum.api import api

urlpatterns = [
    path("", include("geoquorum.accounts.urls")),
    path("catalog/", include("geoquorum.catalog.urls")),
    path("campaigns/", include("geoquorum.campaigns.urls")),
    path("releases/", include("geoquorum.releases.urls")),
    path("training/", include("geoquorum.training.urls")),
    path("jobs/", include("geoquorum.queue.urls")),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
