-- The ledger, version 7: users' logins to upstream servers.
--
-- Not derived from records: no record holds a token. Rebuilding leaves it alone; a backup carries it.
CREATE TABLE upstream_logins (
    tenant    TEXT NOT NULL,
    user      TEXT NOT NULL,
    upstream  TEXT NOT NULL,
    -- The authorization server that issued the tokens, and the resource for which it did.
    issuer    TEXT NOT NULL,
    resource  TEXT NOT NULL,
    scopes    TEXT NOT NULL,
    -- Times in microseconds since 1970: of the login, of the latest renewal, and the end of the access token.
    created   INTEGER NOT NULL,
    renewed   INTEGER NOT NULL,
    expires   INTEGER,
    -- Whether there is a refresh token.
    renewable INTEGER NOT NULL CHECK (renewable IN (0, 1)),
    -- Changes with every write.
    version   INTEGER NOT NULL CHECK (version > 0),
    -- The tokens, sealed with the key outside the store and bound to the columns that name whose they are.
    sealed    BLOB NOT NULL,
    PRIMARY KEY (tenant, user, upstream)
) STRICT, WITHOUT ROWID;
