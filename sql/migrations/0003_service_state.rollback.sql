DROP INDEX ledger.event_task_submitted_idx;
DROP SCHEMA service CASCADE;
