//! A server that each user reaches with their own rights: a connection and tokens for each, and the way to log in.

mod login;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tollgate::{
    config::UpstreamConfig,
    egress::Network,
    secrets::Vault,
    upstream::{BoxFuture, ConnectError, Offer, Session, Upstream, UserLogins},
};

use self::login::PendingLogins;
use super::{
    oauth::{AccessTokens, LoginSlot, OauthClient},
    server::Server,
};

/// A server with a login for each user.
#[derive(Debug)]
pub(super) struct PersonalServer {
    config: UpstreamConfig,
    network: Network,
    secrets: Arc<Vault>,
    client: Arc<OauthClient>,
    logins: Arc<LoginSlot>,
    /// By user. There are as many as the configuration has users.
    accounts: Mutex<HashMap<String, Arc<Account>>>,
    pending: Mutex<PendingLogins>,
}

impl PersonalServer {
    pub(super) fn new(
        config: &UpstreamConfig,
        client: OauthClient,
        secrets: &Arc<Vault>,
        network: &Network,
        logins: &Arc<LoginSlot>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            network: network.clone(),
            secrets: Arc::clone(secrets),
            client: Arc::new(client),
            logins: Arc::clone(logins),
            accounts: Mutex::default(),
            pending: Mutex::default(),
        })
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self, user: &str) -> Arc<Account> {
        let mut accounts = self.accounts();
        if let Some(known) = accounts.get(user) {
            return Arc::clone(known);
        }
        // What this connection is sent is removed from what comes over it.
        let secrets = Arc::new(self.secrets.for_connection());
        let tokens = AccessTokens::of_user(&self.client, user, &self.logins, &secrets);
        let own = Some(Arc::clone(&tokens));
        let account = Arc::new(Account {
            server: Server::new(&self.config, &secrets, &self.network, own),
            tokens,
        });
        accounts.insert(user.to_owned(), Arc::clone(&account));
        account
    }
}

impl Upstream for PersonalServer {
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async {
            Err(ConnectError::new(
                "each user reaches it with a login of their own",
            ))
        })
    }

    fn last_offer(&self) -> Option<Arc<Offer>> {
        None
    }

    fn of_user(&self, user: &str) -> Option<Arc<dyn Upstream>> {
        Some(self.account(user))
    }

    fn logins(&self) -> Option<&dyn UserLogins> {
        Some(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let accounts: Vec<Arc<Account>> = self.accounts().drain().map(|(_, own)| own).collect();
        Box::pin(async move {
            for account in accounts {
                account.close().await;
            }
        })
    }
}

/// A server as one user reaches it.
#[derive(Debug)]
struct Account {
    server: Arc<Server>,
    tokens: Arc<AccessTokens>,
}

impl Upstream for Account {
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async {
            // First, because a server that was not asked is not out of reach.
            let token = self.tokens.token().await;
            token.map_err(|error| ConnectError::new(error.why))?;
            self.server.session().await
        })
    }

    fn last_offer(&self) -> Option<Arc<Offer>> {
        self.server.last_offer()
    }

    fn obstacle(&self) -> Option<String> {
        self.tokens.obstacle()
    }

    fn secrets(&self) -> Option<&Arc<Vault>> {
        self.server.secrets()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.server.close()
    }
}
