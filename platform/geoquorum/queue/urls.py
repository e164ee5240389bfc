"""Pages of queue."""

from django.urls import path

from geoquorum.queue import views

app_name = "queue"
urlpatterns = [
    path("", views.list_jobs, name="list"),
    path("<uuid:job_id>/cancel/", views.cancel_job, name="cancel"),
]
