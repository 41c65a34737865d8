//! `tollgate user`: tokens by which users name themselves at another's command line.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use tollgate_model::entity::{Kind, Uid};
use tollgate_server::auth::token::{self, Purpose};

use crate::{
    context::{Context, unexpected},
    error::Failure,
    exit_code::Exit,
    operation::{Operation, Reply},
    reply::TokenView,
    style::{Tone, paint},
};

const TOKEN: &str = "\
Examples:
  $ tollgate user token bob --out bob.token
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --as bob --token-file bob.token
  $ tollgate user token bob --revoke

A new token takes the place of an earlier one. Only its hash is kept, so it is shown this once.
With --json: {user, token} or {user, file} or {user, revoked}.";

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make a user's token.
    #[command(after_help = TOKEN)]
    Token {
        /// The user, as tollgate.toml names them.
        name: String,
        /// Write it to this new file, which only you can read, instead of showing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Make the user's token worthless.
        #[arg(long, conflicts_with = "out")]
        revoke: bool,
    },
}

/// Run `tollgate user`.
pub(crate) async fn run(command: User, cx: &Context<'_>) -> Result<Exit, Failure> {
    let User::Token { name, out, revoke } = command;
    let principal = Uid::new(Kind::User, &name);
    if revoke {
        let revoke = Operation::RevokeTokens {
            of: principal,
            name: token::CLI.into(),
        };
        cx.execute(revoke).await?;
        let value = serde_json::json!({ "user": name, "revoked": true });
        cx.out.show(&value, || {
            format!("{} {name} has no token any more", paint("✓", Tone::Good))
        })?;
        return Ok(Exit::Ok);
    }
    let make = Operation::MakeToken {
        purpose: Purpose {
            principal,
            on_behalf_of: None,
            name: token::CLI.into(),
            expires: None,
        },
        lasts: None,
        instead: true,
    };
    let (_, text) = made(make, out.as_deref(), cx).await?;
    let shown =
        |key: &str, value: serde_json::Value| serde_json::json!({ "user": name, key: value });
    hand_over(&text, &name, out.as_deref(), &shown, cx)?;
    Ok(Exit::Ok)
}

/// Make a token, and write it to `out` if that is named.
pub(super) async fn made(
    make: Operation,
    out: Option<&Path>,
    cx: &Context<'_>,
) -> Result<(TokenView, String), Failure> {
    // Before there is a token that would have nowhere to go.
    let file = out.map(create).transpose()?;
    let (token, text) = match cx.execute(make).await {
        Ok(Reply::Token { token, text }) => (token, text),
        other => {
            if let Some(path) = out {
                let _ = fs::remove_file(path);
            }
            return Err(other.map_or_else(|failure| failure, |reply| unexpected(&reply)));
        }
    };
    if let (Some(mut file), Some(path)) = (file, out) {
        file.write_all(format!("{text}\n").as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|e| Failure::plain(format!("{}: {e}; make another token", path.display())))?;
    }
    Ok((token, text))
}

/// Show the token this once, or say where it was written.
pub(super) fn hand_over(
    text: &str,
    whose: &str,
    out: Option<&Path>,
    shown: &dyn Fn(&str, serde_json::Value) -> serde_json::Value,
    cx: &Context<'_>,
) -> Result<(), Failure> {
    match out {
        Some(path) => {
            cx.out.show(&shown("file", serde_json::json!(path)), || {
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
