-- remove_archived: the one way in which events leave the ledger.
--
-- Binds: the task, and the position of its tombstone. The caller has appended the tombstone and inserted the row
-- of ledger.archive in this same transaction, after it has read its file back and found every event in it.
-- Removes exactly the events at the positions that the archive names, and the task's artifacts. Refuses (SQLSTATE
-- PW004) when the archive does not name every event before the tombstone, or a position is not sealed yet: the
-- seals keep the hashes of what goes.
-- Gives the number of events removed.
CREATE OR REPLACE FUNCTION ledger.remove_archived_v1(archived_task text, tombstone bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    recorded bigint[];
    present bigint[];
    sealed bigint;
    removed bigint;
BEGIN
    SELECT positions INTO recorded
    FROM ledger.archive
    WHERE task_id = archived_task AND tombstone_position = tombstone;

    SELECT array_agg(position ORDER BY position) INTO present
    FROM ledger.event
    WHERE task_id = archived_task AND position < tombstone AND type <> 'task_archived';

    IF recorded IS NULL OR present IS DISTINCT FROM recorded THEN
        RAISE EXCEPTION 'the archive does not hold every event of % before position %', archived_task, tombstone
            USING ERRCODE = 'PW004';
    END IF;

    SELECT max(last_position) INTO sealed FROM ledger.seal;
    IF recorded[cardinality(recorded)] > coalesce(sealed, 0) THEN
        RAISE EXCEPTION 'position % is not sealed yet', recorded[cardinality(recorded)] USING ERRCODE = 'PW004';
    END IF;

    PERFORM set_config('ledger.removing', archived_task, true);
    DELETE FROM ledger.event WHERE task_id = archived_task AND position = ANY (recorded);
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM ledger.artifact WHERE task_id = archived_task;
    PERFORM set_config('ledger.removing', '', true);
    RETURN removed;
END
$$;

COMMENT ON FUNCTION ledger.remove_archived_v1 IS 'Remove the events of an archived task; the only way that the triggers let pass.';
