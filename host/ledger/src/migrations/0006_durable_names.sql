-- The ledger, version 6: tables and columns get the names that records, interfaces and code use.
--
-- Records are hashed, so none of them changes: those of format 1 keep their old names, which reading translates.

-- Approvals that more roles may answer, because they were not answered in time.
ALTER TABLE approval_groups RENAME TO approval_escalations;
-- Calls that were suspended until an approval is answered.
ALTER TABLE approval_waits RENAME TO suspended_calls;

ALTER TABLE runs RENAME COLUMN behalf_type TO on_behalf_of_type;
ALTER TABLE runs RENAME COLUMN behalf_id TO on_behalf_of_id;
ALTER TABLE runs RENAME COLUMN last TO last_active;
ALTER TABLE runs RENAME COLUMN head TO last_record;
ALTER TABLE run_repeats RENAME COLUMN n TO calls;
-- Index of the record of the halt, as in the other tables.
ALTER TABLE halts RENAME COLUMN since TO idx;
ALTER TABLE principal_labels RENAME COLUMN last TO held_until;
ALTER TABLE principal_calls RENAME COLUMN last TO last_call;
ALTER TABLE principal_calls RENAME COLUMN active TO active_micros;

-- What components keep.
ALTER TABLE state RENAME TO component_state;
ALTER TABLE component_state RENAME COLUMN written TO version;
