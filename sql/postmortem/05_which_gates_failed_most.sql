-- Which gates failed most?
--
-- One row per gate: how often it was evaluated and failed, the share of failures, and what it took in all. A
-- blocking gate that often fails says what briefs should ask for; one that never fails and takes long may not be
-- worth its time. refused is how often work was refused on it.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/05_which_gates_failed_most.sql

SELECT
    gate.gate,
    count(*)::integer AS evaluated,
    (count(*) FILTER (WHERE NOT gate.passed))::integer AS failed,
    avg((NOT gate.passed)::integer)::float8 AS share,
    sum(gate.seconds) AS seconds,
    (count(*) FILTER (WHERE NOT gate.passed AND gate.blocking))::integer AS refused,
    (array_agg(gate.detail ORDER BY gate.position DESC) FILTER (WHERE NOT gate.passed))[1] AS last_failure
FROM analytics.gate
WHERE gate.task_id = :'task'
GROUP BY gate.gate
ORDER BY failed DESC, share DESC, gate
