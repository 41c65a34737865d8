//! Users' logins to upstream servers: tokens of an authorization server, sealed and bound to whose they are.
//!
//! They are kept outside the records, like the tokens of agents. What is removed is overwritten.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tollgate_model::time::Timestamp;
use zeroize::Zeroizing;

use crate::{Ledger, LedgerError, LedgerReader};

/// Whose login it is, and to which server. A user has at most one login to a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginKey {
    /// The tenant.
    pub tenant: String,
    /// The user's name.
    pub user: String,
    /// The upstream server's name in the configuration.
    pub upstream: String,
}

/// What is known of a login without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTerms {
    /// The authorization server that issued the tokens.
    pub issuer: String,
    /// The resource for which they were issued (RFC 8707).
    pub resource: String,
    /// What they permit, as the authorization server names it; separated by spaces.
    pub scopes: String,
    /// When the access token expires; absent: not known.
    pub expires: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub renewable: bool,
}

/// A login, without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose it is.
    pub key: LoginKey,
    /// What is known of it.
    pub terms: LoginTerms,
    /// When the user logged in.
    pub created: Timestamp,
    /// When its tokens were last renewed.
    pub renewed: Timestamp,
    /// Changes with every write.
    pub version: i64,
}

/// A login with its sealed tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedLogin {
    /// The login.
    pub login: Login,
    sealed: Vec<u8>,
}

const LOGINS: &str = "SELECT tenant, user, upstream, issuer, resource, scopes, created, renewed, expires, renewable, \
                      version, sealed FROM upstream_logins";

fn login(row: &Row<'_>) -> rusqlite::Result<SealedLogin> {
    Ok(SealedLogin {
        login: Login {
            key: LoginKey {
                tenant: row.get(0)?,
                user: row.get(1)?,
                upstream: row.get(2)?,
            },
            terms: LoginTerms {
                issuer: row.get(3)?,
                resource: row.get(4)?,
                scopes: row.get(5)?,
                expires: row.get::<_, Option<i64>>(8)?.map(Timestamp),
                renewable: row.get(9)?,
            },
            created: Timestamp(row.get(6)?),
            renewed: Timestamp(row.get(7)?),
            version: row.get(10)?,
        },
        sealed: row.get(11)?,
    })
}

impl LedgerReader {
    /// The login with this key, sealed.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn upstream_login(&self, key: &LoginKey) -> Result<Option<SealedLogin>, LedgerError> {
        self.with(|conn| {
            let sql = format!("{LOGINS} WHERE tenant = ?1 AND user = ?2 AND upstream = ?3");
            let mut select = conn.prepare_cached(&sql)?;
            let found = select.query_row(params![key.tenant, key.user, key.upstream], login);
            Ok(found.optional()?)
        })
    }

    /// All logins, sorted by server and user.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn upstream_logins(&self) -> Result<Vec<Login>, LedgerError> {
        self.with(|conn| {
            // A store that no process of this version has opened yet.
            let exists = "SELECT count(*) FROM sqlite_schema WHERE name = 'upstream_logins'";
            if conn.query_row(exists, [], |row| row.get::<_, i64>(0))? == 0 {
                return Ok(Vec::new());
            }
            let sql = format!("{LOGINS} ORDER BY tenant, upstream, user");
            let mut select = conn.prepare_cached(&sql)?;
            let logins = select.query_map([], |row| login(row).map(|sealed| sealed.login))?;
            Ok(logins.collect::<rusqlite::Result<_>>()?)
        })
    }
}

impl Ledger {
    /// Stores a login in place of the user's earlier one. Durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError`]; then the earlier one stays.
    pub fn store_login(
        &self,
        key: &LoginKey,
        terms: &LoginTerms,
        tokens: &[u8],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let sealed = self.keys().seal_credential(&bound(key, terms), tokens)?;
        let store = self.keys().store();
        store
            .execute(
                "INSERT INTO upstream_logins (tenant, user, upstream, issuer, resource, scopes, created, renewed, \
                 expires, renewable, version, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, max(?7, 1), ?10) \
                 ON CONFLICT (tenant, user, upstream) DO UPDATE SET issuer = excluded.issuer, \
                 resource = excluded.resource, scopes = excluded.scopes, created = excluded.created, \
                 renewed = excluded.renewed, expires = excluded.expires, renewable = excluded.renewable, \
                 version = max(version + 1, excluded.version), sealed = excluded.sealed",
                params![
                    key.tenant,
                    key.user,
                    key.upstream,
                    terms.issuer,
                    terms.resource,
                    terms.scopes,
                    now.0,
                    terms.expires.map(|at| at.0),
                    terms.renewable,
                    sealed
                ],
            )
            .map_err(|e| self.keys().failed(e))?;
        Ok(())
    }

    /// Replaces the tokens of a login, if it is still the one that was read. Durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError`]; then the earlier ones stay.
    pub fn renew_login(
        &self,
        before: &Login,
        terms: &LoginTerms,
        tokens: &[u8],
        now: Timestamp,
    ) -> Result<LoginUpdate, LedgerError> {
        let key = &before.key;
        let sealed = self.keys().seal_credential(&bound(key, terms), tokens)?;
        let changed = self
            .keys()
            .store()
            .execute(
                "UPDATE upstream_logins SET issuer = ?5, resource = ?6, scopes = ?7, renewed = ?8, expires = ?9, \
                 renewable = ?10, version = max(version + 1, ?8), sealed = ?11 \
                 WHERE tenant = ?1 AND user = ?2 AND upstream = ?3 AND version = ?4",
                params![
                    key.tenant,
                    key.user,
                    key.upstream,
                    before.version,
                    terms.issuer,
                    terms.resource,
                    terms.scopes,
                    now.0,
                    terms.expires.map(|at| at.0),
                    terms.renewable,
                    sealed
                ],
            )
            .map_err(|e| self.keys().failed(e))?;
        Ok(LoginUpdate::of(changed))
    }

    /// Removes a login; with a `version`, only if it has that one.
    ///
    /// # Errors
    /// [`LedgerError`]; then it is still there.
    pub fn remove_login(
        &self,
        key: &LoginKey,
        version: Option<i64>,
    ) -> Result<LoginUpdate, LedgerError> {
        let store = self.keys().store();
        let changed = remove(&store, key, version).map_err(|e| self.keys().failed(e))?;
        Ok(LoginUpdate::of(changed))
    }

    /// The tokens of a login.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] if it was altered.
    pub fn open_login(&self, sealed: &SealedLogin) -> Result<Zeroizing<Vec<u8>>, LedgerError> {
        let Login { key, terms, .. } = &sealed.login;
        self.keys()
            .open_credential(&bound(key, terms), &sealed.sealed)
    }
}

/// The outcome of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginUpdate {
    /// It was made.
    Done,
    /// There is no such login any more. Nothing was changed.
    Gone,
}

impl LoginUpdate {
    fn of(changed: usize) -> Self {
        match changed {
            0 => Self::Gone,
            _ => Self::Done,
        }
    }
}

fn remove(conn: &Connection, key: &LoginKey, version: Option<i64>) -> rusqlite::Result<usize> {
    conn.execute(
        "DELETE FROM upstream_logins WHERE tenant = ?1 AND user = ?2 AND upstream = ?3 \
         AND (?4 IS NULL OR version = ?4)",
        params![key.tenant, key.user, key.upstream, version],
    )
}

/// What the sealed tokens are bound to: they open for no other user, server, issuer or resource.
fn bound<'a>(key: &'a LoginKey, terms: &'a LoginTerms) -> [&'a [u8]; 6] {
    [
        b"login",
        key.tenant.as_bytes(),
        key.user.as_bytes(),
        key.upstream.as_bytes(),
        terms.issuer.as_bytes(),
        terms.resource.as_bytes(),
    ]
}
