"""Pages of runs and maps."""

from django.urls import path

from geoquorum.training import views

app_name = "training"
urlpatterns = [
    path("", views.list_runs, name="list"),
    path("start/<int:version_id>/", views.start_run, name="start"),
    path("<int:run_id>/", views.show_run, name="run"),
    path("<int:run_id>/progress/", views.show_progress, name="progress"),
    path("<int:run_id>/cancel/", views.cancel_run, name="cancel"),
    path("<int:run_id>/<slug:table>.csv", views.download_table, name="table"),
    path("<int:run_id>/map/", views.start_map, name="start_map"),
    path("maps/<int:map_id>/", views.show_map, name="map"),
    path("maps/<int:map_id>/<slug:layer>.png", views.show_layer, name="layer"),
    path("maps/<int:map_id>/<slug:part>.tif", views.download_map, name="download_map"),
]
