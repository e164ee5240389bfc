"""The platform: accounts, campaigns, releases and runs, in Django, PostgreSQL and Celery."""
