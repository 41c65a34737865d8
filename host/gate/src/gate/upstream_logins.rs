//! Users connect their own accounts at upstream servers, and disconnect them.
//!
//! Consent is the person's: each operation takes the user who calls, never an agent, and a login is only ever the
//! caller's own. It is decided as `connect_upstream` when it begins and again before it is stored, and recorded before
//! it takes effect.

use std::{net::IpAddr, sync::Arc};

use tollgate_ledger::{Login, LoginUpdate};
use tollgate_model::{
    entity::{Kind, Uid},
    record::AdminAction,
    request::Action,
};
use tollgate_policy::policy;
use url::{Host, Url};

use super::{ConnectAccountError, Gate, OperateError};
use crate::{
    enforce::{OperatorAct, Refusal},
    load::{LoadError, read_lock},
    lock::LockedUpstream,
    text::printable,
    upstream::{
        Difference, LoadedUpstream, LoginAnswer, LoginError, LoginRequest, LoginStore, UserLogins,
    },
};

impl Gate {
    /// Begins the login of `user` to an upstream server. `redirect` is where the answer is awaited, on loopback.
    ///
    /// # Errors
    /// [`ConnectAccountError`].
    pub async fn begin_login(
        &self,
        user: &Uid,
        upstream: &str,
        redirect: &Url,
    ) -> Result<LoginRequest, ConnectAccountError> {
        let server = self.upstream_with_logins(upstream)?;
        if !is_loopback_redirect(redirect) {
            return Err(LoginError::Rejected(
                "the answer is awaited on this machine only: the redirect is http://127.0.0.1:PORT/.. or \
                 http://[::1]:PORT/.. (RFC 8252, section 7.3)"
                    .into(),
            )
            .into());
        }
        self.authorize_connection(user, upstream).await?;
        let begun = logins(&server, upstream)?.begin(&user.id, redirect).await;
        Ok(begun?)
    }

    /// Completes a login that `user` has begun, and stores it in place of an earlier one.
    ///
    /// # Errors
    /// [`ConnectAccountError`]; then an earlier one stays.
    pub async fn complete_login(
        &self,
        user: &Uid,
        upstream: &str,
        answer: LoginAnswer,
    ) -> Result<Login, ConnectAccountError> {
        let server = self.upstream_with_logins(upstream)?;
        let issued = logins(&server, upstream)?
            .complete(&user.id, answer)
            .await?;
        self.authorize_connection(user, upstream).await?;
        let terms = &issued.terms;
        let target = format!("{upstream} by {} for {}", terms.issuer, terms.resource);
        self.record_administration(user, AdminAction::UpstreamConnected, &target)
            .await?;
        let store = self.login_store();
        store.store(&user.id, upstream, &issued)?;
        // The session that is open was begun with the earlier account.
        close_session(&server, user).await;
        let stored = store.find(&user.id, upstream)?;
        let gone = || LoginError::Rejected("the login was removed meanwhile".into());
        Ok(stored.ok_or_else(gone)?.login)
    }

    /// Removes the login of `user` to an upstream server. Everyone may withdraw their own consent; removing another's
    /// is an administrator's act. The server may be configured no longer.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn remove_login(
        &self,
        by: &Uid,
        user: &str,
        upstream: &str,
    ) -> Result<(), OperateError> {
        let store = self.login_store();
        if by.id != user {
            self.operate(by, Action::Administer).await?;
        }
        let nothing = || {
            OperateError::Unknown(format!(
                "`{}` has no login to the upstream server `{}`; list them with `tollgate upstream logins`",
                printable(user, 80),
                printable(upstream, 80)
            ))
        };
        let login = store.find(user, upstream)?.ok_or_else(nothing)?.login;
        let owner = Uid::new(Kind::User, user);
        let target = format!("{upstream} by {} of {owner}", login.terms.issuer);
        self.record_administration(by, AdminAction::UpstreamDisconnected, &target)
            .await?;
        let removed = store.remove(user, upstream, None)?;
        if let Some(server) = self.executors().upstreams.get(upstream) {
            close_session(server, &owner).await;
        }
        match removed {
            LoginUpdate::Done => Ok(()),
            LoginUpdate::Gone => Err(nothing()),
        }
    }

    /// The offer of an upstream server, as `user` is offered it, compared with the accepted definitions.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn compare_offer(&self, user: &Uid, upstream: &str) -> Result<Difference, LoadError> {
        let refused = |error: OperateError| match error {
            OperateError::Refused(refusal) => LoadError::Refused(refusal),
            other => LoadError::Refused(Box::new(Refusal::Unrecorded {
                reason: other.to_string(),
            })),
        };
        let server = self.loaded_upstream(upstream).map_err(refused)?;
        self.authorize_connection(user, upstream)
            .await
            .map_err(refused)?;
        let lock = read_lock(&self.ruleset().config)?;
        let accepted = lock
            .upstream
            .get(upstream)
            .and_then(LockedUpstream::definitions);
        let offer = server.offer(Some(user)).await;
        let offer = offer.map_err(|unreachable| LoadError::UpstreamUnreachable {
            name: upstream.into(),
            reason: unreachable.to_string(),
        })?;
        Ok(Difference::between(accepted.as_ref(), &offer))
    }

    /// Decides, and records, whether `user` may connect an account at an upstream server.
    async fn authorize_connection(&self, user: &Uid, upstream: &str) -> Result<(), OperateError> {
        let (request, entities) = OperatorAct::connection(user, upstream).parts();
        self.pep()
            .authorize(&self.ruleset(), request, entities, None)
            .await?;
        Ok(())
    }

    pub(super) fn login_store(&self) -> LoginStore {
        let pep = self.pep();
        LoginStore::new(&pep.ledger, &pep.clock, &self.ruleset().config.gate.tenant)
    }

    fn loaded_upstream(&self, name: &str) -> Result<Arc<LoadedUpstream>, OperateError> {
        let executors = self.executors();
        if let Some(server) = executors.upstreams.get(name) {
            return Ok(Arc::clone(server));
        }
        let names = executors.upstreams.keys().map(String::as_str);
        let near = policy::nearest(name, names).map(|near| format!("; did you mean `{near}`?"));
        Err(OperateError::Unknown(format!(
            "there is no upstream server `{}`{}",
            printable(name, 80),
            near.unwrap_or_default()
        )))
    }

    fn upstream_with_logins(&self, name: &str) -> Result<Arc<LoadedUpstream>, OperateError> {
        let server = self.loaded_upstream(name)?;
        logins(&server, name)?;
        Ok(server)
    }
}

fn logins<'a>(server: &'a LoadedUpstream, name: &str) -> Result<&'a dyn UserLogins, OperateError> {
    server.upstream().logins().ok_or_else(|| {
        OperateError::Unknown(format!(
            "users do not log in to the upstream server `{name}`: that takes [upstream.{name}.oauth] with grant = \
             \"authorization_code\""
        ))
    })
}

async fn close_session(server: &LoadedUpstream, user: &Uid) {
    if let Some(own) = server.upstream().of_user(&user.id) {
        own.close().await;
    }
}

/// Whether a redirect arrives on this machine, at an address and not at a name (RFC 8252, sections 7.3 and 8.3).
fn is_loopback_redirect(redirect: &Url) -> bool {
    let address: Option<IpAddr> = match redirect.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    redirect.scheme() == "http"
        && address.is_some_and(|address| address.is_loopback())
        && redirect.port().is_some()
        && redirect.query().is_none()
        && redirect.fragment().is_none()
        && redirect.username().is_empty()
        && redirect.password().is_none()
}

#[cfg(test)]
mod tests;
