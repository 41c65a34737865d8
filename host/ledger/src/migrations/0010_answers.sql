-- The ledger, version 10: answers to approvals by links and from Slack.

-- Links by which one user may answer one approval, once. Derived from the records that issue, use and revoke
-- them. A link's text is not stored: it is made of these columns with the key outside the store.
CREATE TABLE approval_links (
    id       BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 8),
    -- The record that issued it.
    idx      INTEGER NOT NULL,
    approval BLOB NOT NULL CHECK (length(approval) = 8),
    state    TEXT NOT NULL CHECK (state IN ('open', 'used', 'revoked'))
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_links_of ON approval_links (approval, idx);

-- Signatures of requests that were accepted, so that none counts twice, also after a restart. Not derived from
-- records. A row is removed once its request would be refused as too old.
CREATE TABLE used_signatures (
    -- SHA-256 of the signature.
    digest  BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    -- Microseconds since 1970.
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_signatures_expired ON used_signatures (expires);
