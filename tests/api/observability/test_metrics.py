"""What is counted can be read by Prometheus."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from api.observability.metrics import Metrics


def families(metrics: Metrics) -> set[str]:
    return {family.name for family in text_string_to_metric_families(metrics.render().decode())}


def test_everything_has_a_name_and_is_there_from_the_beginning() -> None:
    found = families(Metrics())
    assert {
        "pw_http_requests",
        "pw_http_request_seconds",
        "pw_messages",
        "pw_claims",
        "pw_claims_waiting",
        "pw_leases_live",
        "pw_lease_expiries",
        "pw_append_queue_events",
        "pw_sse_readers",
        "pw_webhook_deliveries",
        "pw_job_runs",
        "pw_job_seconds",
        "pw_leader",
        "pw_ledger_position",
        "process_resident_memory_bytes",
    } <= found


def test_two_services_of_one_process_count_for_themselves() -> None:
    first, second = Metrics(), Metrics()
    first.messages.labels("progress", "created").inc()
    labels = {"type": "progress", "status": "created"}
    assert first.registry.get_sample_value("pw_messages_total", labels) == 1.0
    assert second.registry.get_sample_value("pw_messages_total", labels) is None


def test_a_gauge_shows_what_it_is_asked_for() -> None:
    metrics, leases = Metrics(), ["tree.1", "tree.2"]
    metrics.leases_live.set_function(lambda: len(leases))
    leases.append("tree.3")
    assert b"pw_leases_live 3.0" in metrics.render()
