"""Addresses of benchmarks."""

from django.urls import path

from geoquorum.training import benchmark_views as views

app_name = "benchmarks"
urlpatterns = [
    path("", views.list_all, name="list"),
    path("new/", views.new, name="new"),
    path("<int:benchmark_id>/", views.show, name="show"),
    path("<int:benchmark_id>/submit/", views.submit, name="submit"),
    path("<int:benchmark_id>/run/", views.submit_run, name="submit_run"),
    path("<int:benchmark_id>/figure/", views.enter_figure, name="enter_figure"),
    path("<int:benchmark_id>/remove/", views.remove, name="remove"),
    path("<int:benchmark_id>/labels/", views.open_labels, name="open_labels"),
    path("<int:benchmark_id>/board.csv", views.download_board, name="board"),
    path("<int:benchmark_id>/sample.csv", views.download_sample, name="sample"),
]
