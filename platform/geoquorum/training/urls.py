"""Pages of runs and maps."""

from django.urls import path

from geoquorum.training import (
    artefact_views,
    asking_views,
    compare_views,
    control_views,
    map_views,
    start_views,
    views,
)

app_name = "training"
urlpatterns = [
    path("", views.list_runs, name="list"),
    path("compare/", compare_views.compare_runs, name="compare"),
    path("compare/runs.csv", compare_views.download_comparison, name="compare_table"),
    path("start/<int:version_id>/", start_views.start_run, name="start"),
    path("start/<int:version_id>/search/", start_views.start_searching, name="start_search"),
    path("<int:run_id>/", views.show_run, name="run"),
    path("<int:run_id>/progress/", views.show_progress, name="progress"),
    path("<int:run_id>/samples/<int:number>-<slug:kind>.png", views.show_sample, name="sample"),
    path("<int:run_id>/ask/", asking_views.ask_experts, name="ask"),
    path("<int:run_id>/cancel/", views.cancel_run, name="cancel"),
    path("<int:run_id>/pause/", control_views.pause_run, name="pause"),
    path("<int:run_id>/go-on/", control_views.go_on, name="go_on"),
    path("<int:run_id>/priority/", control_views.set_priority, name="priority"),
    path("<int:run_id>/<slug:table>.csv", views.download_table, name="table"),
    path("<int:run_id>/files/", artefact_views.show_files, name="files"),
    path("<int:run_id>/files/prepare/", artefact_views.prepare_files, name="prepare_files"),
    path("<int:run_id>/files/<slug:part>/", artefact_views.download_file, name="download_file"),
    path("<int:run_id>/map/", map_views.start_map, name="start_map"),
    path("maps/<int:map_id>/", map_views.show_map, name="map"),
    path("maps/<int:map_id>/cancel/", map_views.cancel_map, name="cancel_map"),
    path("maps/<int:map_id>/<slug:layer>.png", map_views.show_layer, name="layer"),
    path("maps/<int:map_id>/<slug:part>.tif", map_views.download_map, name="download_map"),
]
