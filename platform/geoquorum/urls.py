"""All routes: each app's pages below its own prefix, the API below /api/v1/."""

from django.contrib import admin
from django.urls import include, path, re_path

from geoquorum import home, problems, styles, swatches
from geoquorum.api import api

urlpatterns = [
    path("", home.show_home, name="home"),
    path("styles/", styles.show_styles, name="styles"),
    path("swatches.css", swatches.show_swatches, name="swatches"),
    path("", include("geoquorum.accounts.urls")),
    path("catalog/", include("geoquorum.catalog.urls")),
    path("campaigns/", include("geoquorum.campaigns.urls")),
    path("releases/", include("geoquorum.releases.urls")),
    path("training/", include("geoquorum.training.urls")),
    path("benchmarks/", include("geoquorum.training.benchmark_urls")),
    path("jobs/", include("geoquorum.queue.urls")),
    path("api/v1/", api.urls),
    re_path(r"^api(?:/.*)?$", problems.show_no_route),
    path("admin/", admin.site.urls),
]
