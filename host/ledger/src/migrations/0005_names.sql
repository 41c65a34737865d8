-- The ledger: named runs of all callers by name; and open named runs by age, for the sweep.
--
-- An entry is written when a named run begins, and removed from the second index when it ends. Calls do not
-- write to them.
CREATE INDEX runs_by_name ON runs (key, opened) WHERE key IS NOT NULL;
CREATE INDEX runs_named_open ON runs (started) WHERE key IS NOT NULL AND ended IS NULL;
