"""What is counted, for Prometheus: one registry for each service, so that two in one process do not mix."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

#: From a message that is stored in a group commit to a claim that waits for minutes.
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
_JOB_SECONDS = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0)


# When a series began is a series of its own for each, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The numbers of one service; whoever does something counts it here.

    Gauges of what somebody else holds are given a function: `metrics.leases_live.set_function(lambda: len(leases))`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._count_requests()
        self._count_work()
        self._count_helpers()

    def render(self) -> bytes:
        """Give everything in Prometheus's text format."""
        return generate_latest(self.registry)

    def _count_requests(self) -> None:
        self.requests = self._counter("http_requests", "Answered requests.", "method", "route", "status")
        self.request_seconds = Histogram(
            "pw_http_request_seconds",
            "From a request to the end of its answer.",
            ("method", "route"),
            registry=self.registry,
            buckets=_REQUEST_SECONDS,
        )
        self.requests_open = self._gauge("http_requests_open", "Requests that are being answered.")
        self.sse_readers = self._gauge("sse_readers", "Readers of event streams.")

    def _count_work(self) -> None:
        #: `status` as in a receipt.
        self.messages = self._counter("messages", "Workers' messages by what became of them.", "type", "status")
        #: `kind`: subtask, observation.
        self.claims = self._counter("claims", "Claims that were given work.", "kind")
        self.claims_waiting = self._gauge("claims_waiting", "Workers that wait for work.")
        self.leases_live = self._gauge("leases_live", "Subtasks that a worker holds.")
        self.append_queue = self._gauge("append_queue_events", "Events that wait to be stored.")
        # Each process follows the whole ledger: of these take the maximum over processes, not the sum.
        self.events = self._counter("events", "Events of the ledger, whoever has stored them.", "type")
        #: `clock`: offer, heartbeat, progress, deadline.
        self.lease_expiries = self._counter("lease_expiries", "Leases that ran out, by the clock.", "clock")
        self.position = self._gauge("ledger_position", "The last event that this process has seen.")

    def _count_helpers(self) -> None:
        #: `outcome`: delivered, failed, dead.
        self.deliveries = self._counter("webhook_deliveries", "Attempts to deliver to webhooks.", "outcome")
        #: `outcome`: done, failed, cancelled.
        self.job_runs = self._counter("job_runs", "Runs of scheduled jobs.", "job", "outcome")
        self.job_seconds = Histogram(
            "pw_job_seconds",
            "How long runs of scheduled jobs took.",
            ("job",),
            registry=self.registry,
            buckets=_JOB_SECONDS,
        )
        self.leader = self._gauge("leader", "1 where this process runs the scheduled jobs.")
        # Of the process that leads; elsewhere 0.
        self.read_models_up = self._gauge("read_models_up", "1 where the read models' process beside this one lives.")
        self.read_models_behind = self._gauge("read_models_behind_seconds", "How far the read models are behind.")
        self.read_models_behind_events = self._gauge("read_models_behind_events", "In positions of the ledger.")
        self.read_model_starts = self._counter("read_model_starts", "Starts of the read models' process.")

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"pw_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"pw_{name}", meaning, registry=self.registry)
