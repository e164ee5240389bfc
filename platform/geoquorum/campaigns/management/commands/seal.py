"""manage.py seal: seal all votes now."""

from django.core.management.base import BaseCommand

from geoquorum.campaigns import services


class Command(BaseCommand):
    """What housekeeping does within a minute, at once."""

    help = "Seal every vote that is not sealed yet."

    def handle(self, **_: object) -> None:
        self.stdout.write(f"{services.seal_all()} votes sealed")
