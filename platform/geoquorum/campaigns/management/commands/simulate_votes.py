"""manage.py simulate_votes: how many votes, hours and right labels each policy would give. Needs no database."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from annotation import policy, simulation
from annotation.simulation import Forecast
from fusion import registry
from fusion.errors import GeoquorumError

LINE = "{:<34} {:>12} {:>10} {:>10} {:>18} {:>10} {:>9} {:>13}"


class Command(BaseCommand):
    help = "Compares voting policies on a simulated panel before a campaign starts: votes, accuracy, hours."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        known = registry.list_names("annotation.policies")
        parser.add_argument("--samples", type=int, default=5000, help="samples of the campaign")
        parser.add_argument("--experts", type=int, default=10, help="experts of the panel")
        parser.add_argument("--scheme", default="lcz17", help="scheme of the labels; lcz17 has published confusions")
        parser.add_argument("--accuracy", type=float, help="how often an average expert names a plain sample right")
        parser.add_argument("--seed", type=int, default=1, help="another seed is another panel")
        parser.add_argument("--votes", type=int, nargs="+", default=[3, 5, 10], help="numbers that fixed is tried with")
        parser.add_argument("--policy", nargs="+", choices=known, default=["fixed", "adaptive"])
        parser.add_argument("--minimum", type=int, help="fewest votes of a sample")
        parser.add_argument("--maximum", type=int, help="most votes of a sample; then it is disputed")
        parser.add_argument("--settle-at", type=float, help="posterior of the top class that settles a sample")
        parser.add_argument("--seconds", type=float, help="seconds per vote instead of the panel's median")
        parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _check(options)
            rows = _compare(options)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            facts = {name: options[name] for name in ("samples", "experts", "scheme", "accuracy", "seed")}
            policies = [row.to_dict() for row in rows]
            self.stdout.write(json.dumps({"is_simulated": True, **facts, "policies": policies}))
            return
        self.stdout.write("\n".join(_write_table(rows, options)))


def _check(options: dict[str, Any]) -> None:
    """Refuse numbers of votes that this panel cannot give, and thresholds that are no probability."""
    for number in options["votes"]:
        if not 1 <= number <= options["experts"]:
            raise CommandError(f"--votes {number}: a panel of {options['experts']} gives 1 to {options['experts']}.")
    if options["settle_at"] is not None and not 0 < options["settle_at"] < 1:
        raise CommandError(f"--settle-at {options['settle_at']} is no probability between 0 and 1.")


def _compare(options: dict[str, Any]) -> list[Forecast]:
    names = ("samples", "experts", "scheme", "seed", "accuracy")
    trial = simulation.make_trial(**{name: options[name] for name in names})
    limits: policy.Parameters = {
        name: options[name] for name in ("minimum", "maximum", "settle_at") if options[name] is not None
    }
    return simulation.compare(
        trial, options["policy"], options["votes"], limits, seed=options["seed"], seconds=options["seconds"]
    )


def _write_table(rows: list[Forecast], options: dict[str, Any]) -> list[str]:
    """Lines of the table, under a sentence that says what it is."""
    panel = {"samples": options["samples"], "experts": options["experts"], "scheme": options["scheme"]}
    head = _(
        "Simulated: %(samples)s samples, %(experts)s experts, scheme %(scheme)s. No real vote is in these figures."
    )
    titles = (_("policy"), _("votes/sample"), _("votes"), _("accuracy"), _("95 % interval"), _("disputed"), _("hours"))
    return [head % panel, LINE.format(*titles, _("busiest expert")), *(_write_row(row) for row in rows)]


def _write_row(row: Forecast) -> str:
    interval = f"{row.low:.4f}..{row.high:.4f}"
    hours = f"{row.hours:.1f}", f"{row.most_hours:.1f} h"
    share = f"{row.disputed:.3f}"
    return LINE.format(
        row.policy, f"{row.votes_per_sample:.2f}", row.votes, f"{row.accuracy:.4f}", interval, share, *hours
    )
