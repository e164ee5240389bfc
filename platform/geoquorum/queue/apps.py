"""The app's name for Django."""

from django.apps import AppConfig


class QueueConfig(AppConfig):
    name = "geoquorum.queue"
