//! `tollgate user`: tokens for `--as USER`.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::{Value, json};
use tollgate_server::auth::token;

use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    reply::{NewTokenReply, TokenView},
    style::{Tone, paint},
};

const TOKEN: &str = "\
Examples:
  $ tollgate user token bob --out bob.token
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --as bob --token-file bob.token
  $ tollgate user token bob --revoke

A new token replaces an earlier one. Only its hash is stored, so it is shown only this once. If the user can
sign in already, and is another than you, it is not valid before a second person confirms it
(`tollgate token confirm`), and the earlier one stays.
With --json: {user, token, confirmed} or {user, file, confirmed} or {user, revoked}.";

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make a user's token.
    #[command(after_help = TOKEN)]
    Token {
        /// The user, as tollgate.toml names them.
        name: String,
        /// Write it to this new file, which only you can read, instead of printing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Revoke the user's token.
        #[arg(long, conflicts_with = "out")]
        revoke: bool,
    },
}

/// Run `tollgate user`.
pub(crate) async fn run(command: User, cx: &Context<'_>) -> Result<Exit, Failure> {
    let User::Token { name, out, revoke } = command;
    if revoke {
        let body = json!({ "user": name, "name": token::CLI });
        cx.execute::<()>(ApiRequest::post("/v1/tokens/revoke", body))
            .await?;
        let value = json!({ "user": name, "revoked": true });
        cx.out.show(&value, || {
            format!("{} {name} has no token any more", paint("✓", Tone::Good))
        })?;
        return Ok(Exit::Ok);
    }
    let body = json!({ "user": name, "name": token::CLI, "replace": true });
    let NewTokenReply { text, token } = made(body, out.as_deref(), cx).await?;
    let shown =
        |key: &str, value: Value| json!({ "user": name, key: value, "confirmed": token.confirmed });
    hand_over(&text, &name, out.as_deref(), &shown, cx)?;
    remark_unconfirmed(&token, cx);
    Ok(Exit::Ok)
}

/// Makes a token, and opens `out` if that is given.
pub(super) async fn made(
    body: Value,
    out: Option<&Path>,
    cx: &Context<'_>,
) -> Result<NewTokenReply, Failure> {
    // Before the token is made, so that no token is lost if the file cannot be created.
    let file = out.map(create).transpose()?;
    let created = cx.execute(ApiRequest::post("/v1/tokens", body)).await;
    let created: NewTokenReply = created.inspect_err(|_| {
        if let Some(path) = out {
            let _ = fs::remove_file(path);
        }
    })?;
    if let (Some(mut file), Some(path)) = (file, out) {
        file.write_all(format!("{}\n", created.text).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|e| Failure::plain(format!("{}: {e}; make another token", path.display())))?;
    }
    Ok(created)
}

/// Prints the token, or the file to which it was written.
pub(super) fn hand_over(
    text: &str,
    whose: &str,
    out: Option<&Path>,
    shown: &dyn Fn(&str, Value) -> Value,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    match out {
        Some(path) => {
            cx.out.show(&shown("file", json!(path)), || {
                format!(
                    "{} the token of {whose} is in {}",
                    paint("✓", Tone::Good),
                    path.display()
                )
            })?;
        }
        None => {
            cx.out
                .show(&shown("token", text.into()), || text.to_owned())?;
            cx.out
                .remark("it is shown this once; keep it where only they can read it");
        }
    }
    Ok(())
}

/// Say what a token lacks that waits for a second person.
pub(super) fn remark_unconfirmed(token: &TokenView, cx: &Context<'_>) {
    if !token.confirmed {
        let command = format!("tollgate token confirm {}", token.id);
        cx.out.remark(&format!(
            "it is not valid before a second person confirms it: {}",
            paint(&command, Tone::Name)
        ));
    }
}

fn create(path: &Path) -> Result<fs::File, Failure> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| {
            Failure::plain(format!(
                "{}: the token cannot be written there: {e}",
                path.display()
            ))
            .help("name a file that does not exist yet, in a directory that you can write")
        })
}
