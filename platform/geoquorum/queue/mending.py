"""Two faults of the libraries below that cost jobs time (seen with Celery 5.7 and kombu 5.7), mended in each worker."""

from typing import Any

from kombu.transport import redis

LOOK_EVERY_S = 0.5


class ForgivingQoS(redis.QoS):
    """A broker that is gone takes no acknowledgement: kombu raises AttributeError, and Celery ends the whole worker.

    What was not acknowledged comes again, and finds its job claimed or over.
    """

    def restore_unacked(self, client: Any = None) -> None:
        if self._is_connected():
            super().restore_unacked(client)
        else:
            self._delivered.clear()

    def ack(self, delivery_tag: str) -> None:
        if self._is_connected():
            super().ack(delivery_tag)

    def _is_connected(self) -> bool:
        return getattr(self.channel.connection, "client", None) is not None


def mend_worker(**_: object) -> None:
    """Also: a killed process is replaced after half a second, as its end is often missed until a look every five."""
    from celery.concurrency.asynpool import AsynPool

    AsynPool.timers = property(lambda pool: {pool.maintain_pool: LOOK_EVERY_S})
    redis.Channel.QoS = ForgivingQoS
