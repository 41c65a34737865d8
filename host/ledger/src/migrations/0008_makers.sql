-- The ledger, version 8: who makes tokens, and what an absent key tells.

-- Users other than its own who made a token, as a JSON list; absent: made before this was stored, so unknown.
ALTER TABLE tokens ADD COLUMN makers TEXT;
-- A token that waits for a second person is not valid.
ALTER TABLE tokens ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 1 CHECK (confirmed IN (0, 1));

-- Rejections that may still hold.
CREATE INDEX approvals_rejected ON approvals (expires) WHERE state = 'rejected';

-- Labels of the runs that deleted keys of a component's own state: the absence of a key tells what they did.
CREATE TABLE component_state_absence (
    tenant    TEXT NOT NULL,
    component TEXT NOT NULL,
    label     TEXT NOT NULL,
    PRIMARY KEY (tenant, component, label)
) STRICT, WITHOUT ROWID;
