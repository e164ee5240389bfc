"""Figures of the vote loop: CPU per vote, its flatness, votes per second, waiting times, sealing.

    python -m tests.benchmarks.votes [--quick] [--label-studio PYTHON]

Starts what `manage.py up` starts on a home of its own, fills a campaign of each size in which every sample has nine of
its ten votes, and lets signed-in experts cast the tenth over HTTP with CSRF tokens: samples in fives, one request a
vote. CPU is that of the web's and PostgreSQL's processes from /proc; the clients run beside them on the same machine.
The limit of votes per person is raised, as eight people cannot cast a hundred votes a second.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from tests.benchmarks.voting_house import OWN_NAMES, ROOT, House

SIZES, QUICK_SIZES = (10_000, 400_000), (2_000, 8_000)
KNEE = (16, 32, 64)
STATED = 100  # votes per second of eight experts together
LABEL_STUDIO = ROOT.parent / "shared" / "bench" / "bench_label_studio.py"
LABEL_STUDIO_TASKS = 10_000


def main() -> None:
    options = _read_options()
    folder = Path(tempfile.mkdtemp(prefix="geoquorum-votes-"))
    folder.chmod(0o711)  # as root the database server runs as another user, who must enter
    try:
        _prepare(folder / "home")
        found = measure(folder / "home", options)
        against = _ask_label_studio(folder / "other", options) if options.label_studio else {}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(_report(found, against)))


def measure(home: Path, options: Namespace) -> dict[str, Any]:
    """Each size in turn on one server; the knee, sealing and checking on the last."""
    from geoquorum.embedded import ports

    found: dict[str, Any] = {"sizes": {}}
    with House(home, ports.find_free(), {"GEOQUORUM_VOTES_PER_S": "1000000"}) as house:
        for size in options.samples:
            found["sizes"][str(size)] = _measure_size(house, size, options)
        voters = found["sizes"][str(size)].pop("voters")
        for each in found["sizes"].values():
            each.pop("voters", None)
        found["knee"] = [_vote(house, voters[:count], options.seconds) for count in KNEE]
        found["sealing"] = _compare_sealing(house, voters[:8], options.seconds)
        found["verification"] = _verify(house, found["sizes"][str(size)]["campaign"])
    return found


def _measure_size(house: House, size: int, options: Namespace) -> dict[str, Any]:
    from tests.benchmarks.voting_clients import Voter
    from tests.benchmarks.voting_fill import fill

    started = time.perf_counter()
    filled = fill(home=house.home, samples=size, experts=max(KNEE))
    filled_s = time.perf_counter() - started
    sealing = _seal(house)
    voters = [Voter(house.port, filled.campaign.pk, cookies) for cookies in filled.cookies]
    _vote(house, voters[:8], 5)
    return {
        "campaign": filled.campaign.pk,
        "voters": voters,
        "fill_s": round(filled_s, 1),
        "sealed_before": sealing,
        "one": _vote(house, voters[:1], options.seconds),
        "eight_at_100_per_s": _vote(house, voters[:8], options.seconds, votes_per_s=STATED),
        "eight": _vote(house, voters[:8], options.seconds),
    }


def _vote(house: House, voters: list[Any], seconds: float, votes_per_s: float | None = None) -> dict[str, Any]:
    """One run of votes and what it cost; stops the benchmark where a receipt is missing or a request failed."""
    from geoquorum.campaigns.models import Vote
    from tests.benchmarks.voting_clients import vote_together

    before = {part: house.cpu_s(part) for part in ("web", "postgres", "housekeeping")}
    tally = vote_together(voters, seconds=seconds, votes_per_s=votes_per_s)
    cost = {part: 1000 * (house.cpu_s(part) - spent) / len(tally.receipts) for part, spent in before.items()}
    stored = Vote.objects.filter(pk__in=tally.receipts).count()
    if tally.errors or stored != len(tally.receipts) or len(set(tally.receipts)) != stored:
        raise SystemExit(f"{len(tally.receipts)} receipts, {stored} rows, errors: {tally.errors[:3]}")
    return {
        "experts": len(voters),
        "votes": stored,
        "votes_per_s": round(tally.votes_per_s, 1),
        "p50_ms": round(tally.quantile_ms(0.5), 1),
        "p95_ms": round(tally.quantile_ms(0.95), 1),
        "cpu_ms": round(cost["web"] + cost["postgres"], 2),
        **{f"{part}_ms": round(value, 2) for part, value in cost.items()},
        "load": round(os.getloadavg()[0], 1),
    }


def _compare_sealing(house: House, voters: list[Any], seconds: float) -> dict[str, Any]:
    """Votes per second with housekeeping, which seals, and with it held still; in turns, as machines have moods."""
    rates: dict[str, list[float]] = {"on": [], "off": []}
    for turn in ("on", "off", "off", "on"):
        with house.held("housekeeping", is_held=turn == "off"):
            rates[turn].append(_vote(house, voters, 1.5 * seconds)["votes_per_s"])
    on, off = sum(rates["on"]), sum(rates["off"])
    return {"votes_per_s": rates, "lost_share": round(1 - on / off, 3), "last": _seal(house)}


def _seal(house: House) -> dict[str, Any]:
    """Seal what waits, so that the fill is no work for housekeeping while votes are measured."""
    started = time.perf_counter()
    said = house.manage("seal")
    seconds = time.perf_counter() - started
    return {"votes": int(said.split()[0]), "seconds": round(seconds, 1)}


def _verify(house: House, campaign: int) -> dict[str, Any]:
    from geoquorum.campaigns import services
    from geoquorum.campaigns.models import Campaign

    started = time.perf_counter()
    anchor = services.sealing.read_anchor(house.home / "seals" / f"campaign-{campaign}.txt")
    verdict = services.verify_seals(campaign=Campaign.objects.get(pk=campaign), anchor=anchor)
    seconds = time.perf_counter() - started
    rate = round(verdict.votes / seconds)
    return {"is_good": verdict.is_good, "votes": verdict.votes, "seals": verdict.seals, "rows_per_s": rate}


def _ask_label_studio(work: Path, options: Namespace) -> dict[str, float]:
    """Server milliseconds per vote of Label Studio with one and eight annotators, measured by its own script."""
    work.mkdir()
    program, said = Path(options.label_studio).with_name("label-studio"), work / "said.json"
    command = [options.label_studio, str(LABEL_STUDIO), "--label-studio", str(program), "--work", str(work / "data")]
    command += ["--scales", str(LABEL_STUDIO_TASKS), "--seconds", str(options.seconds), "--voted-tasks", "0"]
    command += ["--export-max", "0", "--json", str(said)]
    environment = {name: value for name, value in os.environ.items() if name not in OWN_NAMES}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    phases = [phase for phase in json.loads(said.read_text())["phases"] if phase.get("phase") == "vote"]
    return {
        f"Label Studio, {phase['tasks']} tasks, {phase['annotators']} annotators": phase["server_cpu_ms_per_vote"]
        for phase in phases
    }


def _report(found: dict[str, Any], against: dict[str, float]) -> dict[str, Any]:
    sizes = found["sizes"]
    ours = {size: each["eight_at_100_per_s"]["cpu_ms"] for size, each in sizes.items()}
    smallest, largest = (ours[str(size)] for size in (min(map(int, ours)), max(map(int, ours))))
    also = found | {"flatness": round(largest / smallest, 3), "processors": os.cpu_count()}
    return {
        "benchmark": "votes",
        "unit": "ms CPU per vote",
        "ours": ours,
        "against": against,
        "ratio": {name: round(largest / value, 4) for name, value in against.items()},
        "also": also,
    }


def _read_options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", help="sizes of campaigns")
    parser.add_argument("--seconds", type=float, help="length of each run of votes")
    parser.add_argument("--quick", action="store_true", help="small campaigns, short runs")
    parser.add_argument("--label-studio", metavar="PYTHON", help="interpreter with Label Studio, measured beside ours")
    options = parser.parse_args()
    options.samples = options.samples or (QUICK_SIZES if options.quick else SIZES)
    options.seconds = options.seconds or (4.0 if options.quick else 15.0)
    return options


def _prepare(home: Path) -> None:
    """This process's own Django looks at the server's database."""
    for name in OWN_NAMES:
        os.environ.pop(name, None)
    os.environ |= {"GEOQUORUM_HOME": str(home), "DJANGO_SETTINGS_MODULE": "geoquorum.settings"}
    import django

    django.setup()


if __name__ == "__main__":
    main()
