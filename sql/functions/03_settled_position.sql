-- settled_position: up to where the ledger will not change any more.
--
-- Whatever is missing below it was rolled back: the exclusive lock is granted only when no append is under way, and
-- every position that the sequence has given out by then is committed or gone. Read up to it in a NEW statement:
-- this one's snapshot is older than what it waited for. Call it outside a transaction, where the lock is let go at
-- once; appends queue up behind the request, so it gives up after two seconds (SQLSTATE 55P03).
-- An import that keeps its positions writes below the sequence: until it is done, nothing beyond it is settled.
CREATE OR REPLACE FUNCTION ledger.settled_position() RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
BEGIN
    -- The key is the bytes of "pw-ledgr"; appends share it.
    PERFORM pg_advisory_xact_lock(8103995998057293682);
    RETURN least(
        (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ledger.position),
        (SELECT min(done_position) FROM ledger.import WHERE keeps_positions AND finished_at IS NULL)
    );
END
$$;

COMMENT ON FUNCTION ledger.settled_position IS 'The position up to which every event is committed or never will be.';
