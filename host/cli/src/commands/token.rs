//! `tollgate token`: tokens of agents and users for HTTP.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tollgate::ids::Clock;
use tollgate_model::{ids::TokenId, time::micros};

use crate::{
    client::ApiRequest,
    commands::{time_arg, user},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    reply::{NewTokenReply, TokenView},
    style::{Tone, line, paint},
    units::moment,
};

const CREATE: &str = "\
Examples:
  $ tollgate token create --agent support --name helpdesk --out support.token
  $ tollgate token create --agent support --on-behalf-of alice --expires 8h
  $ tollgate token create --user bob --name laptop --expires 90d --json

Over HTTP, a request with the token is made as that agent or user, until the token expires or is revoked. Only
its hash is stored, so it is shown only this once.

A token of another user who can sign in already is not valid before a second person confirms it
(`tollgate token confirm`). An approval that is given with a token that one person made for another
does not count for calls of that person or of agents that act for them. Nor may the maker of an agent's
token approve what is called with it.
With --json: {id, token, confirmed} or {id, file, confirmed}.";
const CONFIRM: &str = "\
Example:
  $ tollgate token confirm tok-0a1b2c3d4e5f6071 --as sam --token-file sam.token

Makes a token valid that another person made for a user. Its makers stay, because they can use it.
With --json: {id, confirmed}.";
const LIST: &str = "\
Example:
  $ tollgate token list

With --json: [{id, principal, on_behalf_of, name, created, expires, makers, confirmed}]. Times are microseconds since 1970.";
const REVOKE: &str = "\
Example:
  $ tollgate token revoke tok-0a1b2c3d4e5f6071

It is refused from the next request on.";

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Make a token for an agent or a user.
    #[command(after_help = CREATE)]
    Create(Create),
    /// Confirm a token that another person made for a user.
    #[command(after_help = CONFIRM)]
    Confirm {
        /// The token's id, such as tok-0a1b2c3d4e5f6071.
        id: TokenId,
    },
    /// List all tokens, expired ones included.
    #[command(after_help = LIST)]
    List,
    /// Revoke a token.
    #[command(after_help = REVOKE)]
    Revoke {
        /// The token's id, such as tok-0a1b2c3d4e5f6071.
        id: TokenId,
    },
}

/// A new token.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The agent whose token it is.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "user",
        conflicts_with = "user"
    )]
    agent: Option<String>,
    /// The user whose token it is.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The user for whom the agent acts; default: its operator.
    #[arg(long, value_name = "USER", requires = "agent")]
    on_behalf_of: Option<String>,
    /// A name that the list shows.
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// How long it is valid, such as 8h or 90d; default: without end.
    #[arg(long, value_name = "TIME", value_parser = time_arg::duration)]
    expires: Option<Duration>,
    /// Write it to this new file, which only you can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Run `tollgate token`.
pub(crate) async fn run(command: Tokens, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Tokens::Create(args) => create(args, cx).await,
        Tokens::Confirm { id } => {
            let path = format!("/v1/tokens/{id}/confirm");
            cx.execute::<()>(ApiRequest::post(path, json!({}))).await?;
            let value = json!({ "id": id, "confirmed": true });
            cx.out.show(&value, || {
                format!("{} {id} is valid from now on", paint("✓", Tone::Good))
            })?;
            Ok(Exit::Ok)
        }
        Tokens::List => list(cx),
        Tokens::Revoke { id } => {
            cx.execute::<()>(ApiRequest::delete(format!("/v1/tokens/{id}")))
                .await?;
            let value = json!({ "id": id, "revoked": true });
            cx.out.show(&value, || {
                format!("{} {id} is worthless from now on", paint("✓", Tone::Good))
            })?;
            Ok(Exit::Ok)
        }
    }
}

async fn create(args: Create, cx: &Context<'_>) -> Result<Exit, Failure> {
    let whose = args.agent.clone().or_else(|| args.user.clone());
    let whose = whose.unwrap_or_default();
    let lasts = args.expires.map(micros);
    let body = json!({
        "agent": args.agent,
        "user": args.user,
        "on_behalf_of": args.on_behalf_of,
        "name": args.name,
        "lasts": lasts,
    });
    let out = args.out.as_deref();
    let NewTokenReply { token, text } = user::made(body, out, cx).await?;
    let shown = |key: &str, value: Value| json!({ "id": token.id, key: value, "confirmed": token.confirmed });
    user::hand_over(&text, &whose, out, &shown, cx)?;
    user::remark_unconfirmed(&token, cx);
    cx.out.remark(&format!(
        "revoke it: {}",
        paint(&format!("tollgate token revoke {}", token.id), Tone::Name)
    ));
    Ok(Exit::Ok)
}

fn list(cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let tokens = cx
        .reader_if_any(&config)?
        .map_or_else(|| Ok(Vec::new()), |reader| reader.tokens())?;
    let tokens: Vec<TokenView> = tokens.into_iter().map(TokenView::from).collect();
    if tokens.is_empty() && !cx.out.is_json() {
        cx.out
            .remark("there are no tokens; make one with `tollgate token create`");
        return Ok(Exit::Ok);
    }
    cx.out.show(&tokens, || shown(&tokens))?;
    Ok(Exit::Ok)
}

fn shown(tokens: &[TokenView]) -> String {
    let now = Clock::system().now();
    let rows: Vec<[Cell; 6]> = tokens
        .iter()
        .map(|token| {
            let whose = match &token.on_behalf_of {
                Some(user) => format!("{} for {user}", token.principal.id),
                None => token.principal.id.clone(),
            };
            let expires = match token.expires {
                _ if !token.confirmed => Cell::new("unconfirmed", Tone::Wait),
                None => Cell::new("never", Tone::Plain),
                Some(at) if at <= now => Cell::new("expired", Tone::Bad),
                Some(at) => Cell::new(moment(at), Tone::Plain),
            };
            [
                Cell::new(token.id.to_string(), Tone::Name),
                format!(
                    "{} {}",
                    token.principal.kind.name().to_lowercase(),
                    line(&whose, 140)
                )
                .into(),
                line(&token.name, 64).into(),
                makers(token).into(),
                Cell::new(moment(token.created), Tone::Weak),
                expires,
            ]
        })
        .collect();
    table(["ID", "WHOSE", "NAME", "MADE BY", "MADE", "EXPIRES"], &rows)
}

/// Who made it: other users, the user itself, or not known.
fn makers(token: &TokenView) -> String {
    let Some(makers) = &token.makers else {
        return "not known".into();
    };
    if makers.is_empty() {
        return line(&token.principal.id, 64);
    }
    let makers: Vec<String> = makers.iter().map(|maker| line(maker, 64)).collect();
    makers.join(", ")
}
