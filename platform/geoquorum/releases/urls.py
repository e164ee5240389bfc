"""Pages of dataset versions."""

from django.urls import path

from geoquorum.releases import views

app_name = "releases"
urlpatterns = [
    path("", views.list_versions, name="list"),
    path("from/<int:run_id>/", views.new_version, name="new"),
    path("<int:version_id>/", views.show_version, name="detail"),
    path("<int:version_id>/export/<slug:exporter>/", views.start_export, name="export"),
    path("exports/<int:export_id>/<int:number>/", views.download_export, name="download"),
]
