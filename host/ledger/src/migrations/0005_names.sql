-- The ledger: runs by the name that somebody gave them, whosever they are; and those with a name that may
-- still go on, by age, for the sweep.
--
-- Written when a run with a name begins, the second again when it ends; no call changes what is in them.
CREATE INDEX runs_by_name ON runs (key, opened) WHERE key IS NOT NULL;
CREATE INDEX runs_named_open ON runs (started) WHERE key IS NOT NULL AND ended IS NULL;
