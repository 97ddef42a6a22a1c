-- Which conflicts and hidden dependencies were there?
--
-- What the plan did not know: merge conflict is work that did not merge (other has changed one of its files
-- meanwhile), unplanned wait is a worker that waited for a subtask which its own did not depend on, same file is
-- two accepted subtasks that changed a file which the plan gave to at most one of them. Each is an edge that the
-- next plan of this tree should have.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/08_conflicts_and_hidden_dependencies.sql

WITH accepted AS (
    SELECT event.position, event.subtask, files.path
    FROM analytics.event
    CROSS JOIN LATERAL jsonb_array_elements_text(event.payload -> 'files') AS files (path)
    WHERE event.task_id = :'task' AND event.type = 'subtask_accepted'
),

planned AS (
    SELECT subtask, files, depends_on
    FROM projection.plan
    WHERE task_id = :'task'
),

conflict AS (
    SELECT
        gate.subtask,
        gate.position,
        gate.detail,
        -- The last that changed one of the files, after the work had begun from an older tree.
        (
            SELECT accepted.subtask
            FROM accepted
            WHERE accepted.position < gate.position AND accepted.subtask <> gate.subtask
                AND strpos(gate.detail, accepted.path) > 0
            ORDER BY accepted.position DESC
            LIMIT 1
        ) AS other
    FROM analytics.gate
    WHERE gate.task_id = :'task' AND gate.gate = 'merge' AND NOT gate.passed
),

found (place, kind, subtask, other, files, detail) AS (
    SELECT 1, 'merge conflict', subtask, other, substring(detail FROM 'conflict in (.*)'), detail
    FROM conflict
    UNION ALL
    SELECT 2, 'unplanned wait', blocker.subtask, blocker.waits_for, NULL, blocker.detail
    FROM analytics.blocker
    JOIN planned USING (subtask)
    WHERE blocker.task_id = :'task' AND blocker.waits_for IS NOT NULL
        AND NOT blocker.waits_for = ANY (planned.depends_on)
    UNION ALL
    SELECT
        3, 'same file', later.subtask, earlier.subtask, string_agg(DISTINCT later.path, ', '),
        'both have changed it, and at most one was to'
    FROM accepted AS later
    JOIN accepted AS earlier ON earlier.path = later.path AND earlier.position < later.position
    JOIN planned AS plan_later ON plan_later.subtask = later.subtask
    JOIN planned AS plan_earlier ON plan_earlier.subtask = earlier.subtask
    WHERE later.subtask <> earlier.subtask
        AND NOT (later.path = ANY (plan_later.files) AND later.path = ANY (plan_earlier.files))
    GROUP BY later.subtask, earlier.subtask
)

SELECT kind, subtask, other, files, detail
FROM found
ORDER BY place, subtask, other
