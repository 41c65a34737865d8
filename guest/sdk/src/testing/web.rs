//! Servers and secrets for tests: prepared answers; nothing is sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::bindings::tollgate::adapter::http::{Header, Request, Response};

thread_local! {
    static WEB: RefCell<Option<Web>> = const { RefCell::new(None) };
    static SECRETS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

#[derive(Default)]
struct Web {
    answers: BTreeMap<(String, String), Response>,
    refusals: BTreeMap<String, String>,
    sent: Vec<Request>,
}

/// Servers for the adapter under test, as long as this value lasts.
#[derive(Debug)]
pub struct TestWeb(());

/// Creates servers without answers yet.
#[must_use = "they are gone when this value is dropped"]
pub fn web() -> TestWeb {
    WEB.set(Some(Web::default()));
    TestWeb(())
}

/// A secret that is granted as long as this value lasts. It has no value, like all secrets in a guest.
#[derive(Debug)]
pub struct TestSecret(String);

/// Grants a secret to the adapter under test.
#[must_use = "the grant ends when this value is dropped"]
pub fn secret(name: &str) -> TestSecret {
    SECRETS.with_borrow_mut(|secrets| secrets.insert(name.to_owned()));
    TestSecret(name.to_owned())
}

impl Drop for TestSecret {
    fn drop(&mut self) {
        SECRETS.with_borrow_mut(|secrets| secrets.remove(&self.0));
    }
}

impl TestWeb {
    /// Answers requests with this method and exactly this URL.
    pub fn answer(&self, method: &str, url: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.answer_as(method, url, status, &[], body);
    }

    /// The same, with header fields.
    pub fn answer_as(
        &self,
        method: &str,
        url: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) {
        let header = |(name, value): &(&str, &str)| Header {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let response = Response {
            status,
            url: url.to_owned(),
            headers: headers.iter().map(header).collect(),
            body: body.into(),
        };
        let key = (method.to_owned(), url.to_owned());
        with(|web| web.answers.insert(key, response));
    }

    /// Refuses every request to a host from now on, with this reason.
    pub fn deny(&self, host: &str, reason: &str) {
        with(|web| web.refusals.insert(host.to_owned(), reason.to_owned()));
    }

    /// The requests so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Request> {
        with(|web| web.sent.clone()).unwrap_or_default()
    }
}

impl Drop for TestWeb {
    fn drop(&mut self) {
        WEB.set(None);
    }
}

fn with<T>(act: impl FnOnce(&mut Web) -> T) -> Option<T> {
    WEB.with_borrow_mut(|web| web.as_mut().map(act))
}

/// The functions of the WIT's `http`, on the servers of this thread.
pub(crate) mod http {
    use super::{SECRETS, with};
    use crate::bindings::tollgate::adapter::{
        http::{Error, Request, Response},
        types::Denial,
    };

    pub(crate) fn fetch(request: &Request) -> Result<Response, Error> {
        let rest = match request.url.split_once("://") {
            Some(("http" | "https", rest)) => rest,
            _ => return Err(Error::InvalidRequest("the URL is not absolute".to_owned())),
        };
        let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
        for credential in &request.credentials {
            if !SECRETS.with_borrow(|secrets| secrets.contains(&credential.secret)) {
                return Err(Error::NoSuchSecret(credential.secret.clone()));
            }
        }
        let answer = with(|web| {
            if let Some(reason) = web.refusals.get(host) {
                let (decision, reason) = ("test".to_owned(), reason.clone());
                let approval = None;
                return Err(Error::Denied(Denial {
                    decision,
                    reason,
                    approval,
                }));
            }
            web.sent.push(request.clone());
            let key = (request.method.clone(), request.url.clone());
            web.answers.get(&key).cloned().ok_or_else(unreachable)
        });
        answer.unwrap_or_else(|| Err(unreachable()))
    }

    fn unreachable() -> Error {
        Error::Unreachable("nothing answers here".to_owned())
    }
}

/// The functions of the WIT's `secrets`, on the secrets of this thread.
pub(crate) mod secrets {
    use super::SECRETS;

    pub(crate) fn exists(name: &str) -> bool {
        SECRETS.with_borrow(|secrets| secrets.contains(name))
    }
}
