-- What came back, and what came to light?
--
-- Problems that an observation after the first shows and the one before it did not: regressed were resolved and
-- are back (somebody undid the work, or it hid them), unmasked were hidden by errors that are gone, new is
-- neither: the work itself may have made them. One row for each code, kind and round; subtasks are those that were
-- to remove them.
--
-- Parameter: task, the name of a task.
--     psql -v task=... -f sql/postmortem/06_what_came_back.sql

SELECT
    problem.code,
    happened.what,
    count(*)::integer AS problems,
    happened.phase,
    problem.domain,
    count(DISTINCT problem.path)::integer AS files,
    min(problem.message) AS example,
    string_agg(DISTINCT planned.subtasks, ', ') AS subtasks
FROM analytics.problem
CROSS JOIN LATERAL jsonb_to_recordset(problem.course) AS happened (observation integer, phase integer, what text)
LEFT JOIN LATERAL (
    SELECT string_agg(format('#%s', number), ', ') AS subtasks
    FROM jsonb_array_elements_text(problem.subtasks) AS number
) AS planned ON true
WHERE problem.task_id = :'task'
    AND (
        happened.what IN ('regressed', 'unmasked')
        OR (happened.what = 'new' AND happened.observation > 1)
    )
GROUP BY problem.code, happened.what, happened.phase, problem.domain
ORDER BY
    array_position(ARRAY['regressed', 'unmasked', 'new'], happened.what), problems DESC, problem.code, happened.phase
