"""Experts over HTTP: each has a connection and a thread, takes samples in fives and votes on one after the other."""

import http.client
import json
import threading
import time
import uuid
from dataclasses import dataclass, field

AHEAD = 5


@dataclass(kw_only=True)
class Tally:
    """What a run of votes came to. Times in seconds: `waits` of each vote's request, `claims` of each claim's."""

    waits: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    receipts: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def votes_per_s(self) -> float:
        return len(self.receipts) / self.wall_s

    def quantile_ms(self, share: float) -> float:
        """Of all requests, votes and claims alike."""
        waits = sorted(self.waits + self.claims)
        return 1000 * waits[min(len(waits) - 1, int(share * len(waits)))] if waits else 0.0


class Voter:
    """One signed-in expert."""

    def __init__(self, port: int, campaign: int, cookies: dict[str, str]) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._base, self._hand = f"/campaigns/{campaign}", []
        self._headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "X-CSRFToken": cookies["csrftoken"],
            "Content-Type": "application/json",
        }
        self._session: int | None = None
        self._is_done = False

    def vote_once(self, tally: Tally) -> bool:
        """The next sample and a vote on it; False when nothing is left or something went wrong."""
        if self._session is None:
            self._session = self._post("/sessions/", {"device": "benchmark"}, [], tally)["session"]
        if not self._hand:
            claimed = self._post("/claims/", {"count": AHEAD, "session": self._session}, tally.claims, tally)
            self._hand = [each["id"] for each in claimed.get("assignments", [])]
        if not self._hand:
            return False
        ballot = {
            "assignment": self._hand.pop(0),
            "client_uuid": str(uuid.uuid4()),
            "code": "6",
            "session": self._session,
        }
        ballot |= {
            "shown_at": "2026-01-01T10:00:00Z",
            "decided_at": "2026-01-01T10:00:02Z",
            "views_opened": ["true_colour"],
        }
        answer = self._post("/votes/", ballot, tally.waits, tally)
        if "receipt" in answer:
            tally.receipts.append(answer["receipt"]["vote"])
        return not tally.errors

    def _post(self, path: str, body: dict[str, object], times: list[float], tally: Tally) -> dict[str, object]:
        started = time.perf_counter()
        self._link.request("POST", self._base + path, json.dumps(body), self._headers)
        response = self._link.getresponse()
        answer = response.read()
        times.append(time.perf_counter() - started)
        if response.status != 200:
            tally.errors.append(f"{path} {response.status} {answer[:200]!r}")
            return {}
        return json.loads(answer)


def vote_together(voters: list[Voter], *, seconds: float, votes_per_s: float | None = None) -> Tally:
    """All voters at once for some seconds: each at its own greatest speed, or all together at a stated one."""
    tally, started = Tally(), time.perf_counter()
    pause = 0.0 if votes_per_s is None else len(voters) / votes_per_s

    def work(voter: Voter, place: int) -> None:
        turn = started + pause * place / len(voters)
        while turn < started + seconds and time.perf_counter() < started + seconds:
            time.sleep(max(0.0, turn - time.perf_counter()))
            if not voter.vote_once(tally):
                return
            turn += pause

    threads = [threading.Thread(target=work, args=[voter, place]) for place, voter in enumerate(voters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.wall_s = time.perf_counter() - started
    return tally
