//! The days whose payloads can be read. Destroying a day's key makes its payloads unreadable; records still
//! verify.

use rusqlite::OptionalExtension as _;
use serde::Serialize;
use tollgate_model::time::Timestamp;

use super::{ApprovalFilter, LedgerReader, StandingFilter};
use crate::{LedgerError, keys::day_of};

/// A day on which payloads were sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedDay {
    /// The tenant.
    pub tenant: String,
    /// Days since 1970.
    pub day: i64,
    /// Whether its key still exists.
    pub readable: bool,
}

impl LedgerReader {
    /// The days with sealed payloads, the oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn sealed_days(&self) -> Result<Vec<SealedDay>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT tenant, day, wrapped IS NOT NULL FROM day_keys ORDER BY day, tenant",
            )?;
            let days = select.query_map([], |row| {
                Ok(SealedDay {
                    tenant: row.get(0)?,
                    day: row.get(1)?,
                    readable: row.get(2)?,
                })
            })?;
            Ok(days.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The tenants with sealed payloads that can still be read.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn sealing_tenants(&self) -> Result<Vec<String>, LedgerError> {
        let mut tenants: Vec<String> = self
            .sealed_days()?
            .into_iter()
            .filter(|day| day.readable)
            .map(|day| day.tenant)
            .collect();
        tenants.sort_unstable();
        tenants.dedup();
        Ok(tenants)
    }

    /// The tenant's days that ended before `before` and can still be read, except days with an approval
    /// that is pending or not used yet, or with a standing approval that counts: their payloads stay
    /// readable.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn days_to_forget(&self, tenant: &str, before: Timestamp) -> Result<Vec<i64>, LedgerError> {
        let end = day_of(before);
        let oldest: Option<i64> = self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT day FROM day_keys WHERE tenant = ?1 AND wrapped IS NOT NULL AND day < ?2 LIMIT 1",
            )?;
            Ok(select.query_row((tenant, end), |row| row.get(0)).optional()?)
        })?;
        if oldest.is_none() {
            return Ok(Vec::new());
        }
        let open = self.approvals(&ApprovalFilter::open())?;
        let standing = self.standing_approvals(&StandingFilter {
            active: true,
            ..StandingFilter::default()
        })?;
        let open = open.iter().map(|row| (&row.tenant, row.requested));
        let standing = standing.iter().map(|row| (&row.tenant, row.since));
        let needed: Vec<i64> = open
            .chain(standing)
            .filter(|(of, _)| *of == tenant)
            .map(|(_, since)| day_of(since))
            .collect();
        let days = self.sealed_days()?.into_iter();
        let old = days.filter(|day| day.readable && day.tenant == tenant && day.day < end);
        Ok(old
            .map(|day| day.day)
            .filter(|day| !needed.contains(day))
            .collect())
    }
}
