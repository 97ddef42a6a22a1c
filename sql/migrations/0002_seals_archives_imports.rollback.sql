DROP TRIGGER event_is_immutable ON ledger.event;
DROP TRIGGER event_is_not_deleted ON ledger.event;
DROP TRIGGER event_is_archived_before_it_goes ON ledger.event;
DROP TRIGGER artifact_is_immutable ON ledger.artifact;
DROP TRIGGER artifact_is_not_deleted ON ledger.artifact;
DROP TRIGGER artifact_is_archived_before_it_goes ON ledger.artifact;
DROP FUNCTION ledger.refuse_unless_archived;
DROP FUNCTION ledger.refuse_unrecorded_removal;
DROP FUNCTION ledger.refuse_unarchived_artifact;
DROP TABLE ledger.incarnation, ledger.seal, ledger.archive, ledger.import;
ALTER TABLE ledger.event DROP CONSTRAINT event_identifiers_are_one_line;
CREATE TRIGGER event_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER artifact_is_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.artifact
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TABLE ledger.stream_head (
    task_id   text   NOT NULL,
    stream_id text   NOT NULL,
    version   bigint NOT NULL,
    PRIMARY KEY (task_id, stream_id)
) WITH (fillfactor = 70);
INSERT INTO ledger.stream_head (task_id, stream_id, version)
SELECT task_id, stream_id, max(version)
FROM ledger.event
GROUP BY task_id, stream_id;
