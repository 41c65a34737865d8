//! The book: orders and refunds as files in the grant `book`.

use core::fmt::{self, Display, Formatter};

use tollgate_guest::serde::de::DeserializeOwned;
use tollgate_guest::{ToolError, arguments, files, serde_json};

use crate::Refunded;
use crate::rules::{Order, Refund, Verdict, Wanted, remaining};

const GRANT: &str = "book";
const ALL_REFUNDS: &str = "refunds.jsonl";
const LONGEST_ID: usize = 64;
/// How often to try again when others refund the same order at the same time.
const ATTEMPTS: u32 = 16;

/// An order's id: letters, digits, `-` and `_`, so that it is always a plain file name.
#[arguments]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"))]
pub(crate) struct OrderId(String);

impl TryFrom<String> for OrderId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = text.len() <= LONGEST_ID
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits {
            Ok(Self(text))
        } else {
            Err(format!("`{}` is not an order id", text.escape_debug()))
        }
    }
}

impl Display for OrderId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes a refund, unless it was already made or is not allowed.
pub(crate) fn refund(id: &OrderId, wanted: &Wanted) -> Result<Refunded, ToolError> {
    for _ in 0..ATTEMPTS {
        let order: Order = match read(&format!("orders/{id}.json")) {
            Err(error) if not_found(&error) => {
                return Err(ToolError::failed(format!("the book has no order {id}")));
            }
            read => read?,
        };
        let made = made(id)?;
        match wanted.verdict(&id.0, &order, &made) {
            Verdict::Refuse(why) => return Err(ToolError::failed(why)),
            Verdict::Made(index) => {
                let left = remaining(&order, &made);
                let Some(earlier) = made.into_iter().nth(index) else {
                    continue;
                };
                enter(&earlier)?;
                return Ok(reported(earlier, true, left));
            }
            Verdict::Make => {
                let number = made.len() + 1;
                let refund = Refund {
                    refund: format!("{id}/{number}"),
                    order: id.to_string(),
                    amount: wanted.amount,
                    currency: wanted.currency,
                    reason: wanted.reason.clone(),
                    key: wanted.key.clone(),
                };
                match files::create(GRANT, &numbered(id, number), line(&refund)?) {
                    Ok(()) => {
                        let left = remaining(&order, &made).saturating_sub(refund.amount);
                        enter(&refund)?;
                        return Ok(reported(refund, false, left));
                    }
                    // Another caller has made a refund since, which changes what is allowed.
                    Err(error) if error.is_exists() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Err(ToolError::failed(format!(
        "order {id} is being refunded by too many at once; nothing was done"
    )))
}

/// All refunds of an order. Numbers have no gaps, so the first missing one ends them.
fn made(id: &OrderId) -> Result<Vec<Refund>, ToolError> {
    let mut made = Vec::new();
    loop {
        match read(&numbered(id, made.len() + 1)) {
            Ok(refund) => made.push(refund),
            Err(Unread::File(error)) if error.is_not_found() => return Ok(made),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Adds a refund to the list of all. It may already be there: the refund was made, but the call was stopped
/// before or after its line was written.
fn enter(refund: &Refund) -> Result<(), ToolError> {
    let line = line(refund)?;
    let all = match files::read_to_string(GRANT, ALL_REFUNDS) {
        Ok(all) => all,
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(error.into()),
    };
    if all.lines().any(|entered| entered == line.trim_end()) {
        return Ok(());
    }
    Ok(files::append(GRANT, ALL_REFUNDS, line)?)
}

fn reported(refund: Refund, repeated: bool, remaining: u64) -> Refunded {
    Refunded {
        refund: refund.refund,
        order: refund.order,
        amount: refund.amount,
        currency: refund.currency.to_string(),
        repeated,
        remaining,
    }
}

fn numbered(id: &OrderId, number: usize) -> String {
    format!("refunds/{id}/{number}.json")
}

fn line(refund: &Refund) -> Result<String, ToolError> {
    serde_json::to_string(refund)
        .map(|json| json + "\n")
        .map_err(ToolError::failed)
}

/// Why a file of the book could not be used.
enum Unread {
    File(files::Error),
    Json(String),
}

impl From<Unread> for ToolError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::File(error) => error.into(),
            Unread::Json(text) => Self::Failed(text),
        }
    }
}

fn read<T: DeserializeOwned>(path: &str) -> Result<T, Unread> {
    let text = files::read_to_string(GRANT, path).map_err(Unread::File)?;
    serde_json::from_str(&text)
        .map_err(|error| Unread::Json(format!("`{path}` is not as it should be: {error}")))
}

fn not_found(error: &Unread) -> bool {
    matches!(error, Unread::File(error) if error.is_not_found())
}
