-- The ledger: runs by the name that somebody gave them, whosever they are.
--
-- Written once for each run with a name, when it begins; nothing that changes later is in it.
CREATE INDEX runs_by_name ON runs (key, opened) WHERE key IS NOT NULL;
