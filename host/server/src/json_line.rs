//! JSON messages, one per line, as MCP sends them over a pipe.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// A message as a line, with its newline.
///
/// # Errors
/// It cannot be serialized.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Writes a line and flushes it.
///
/// # Errors
/// The other end is gone.
pub(crate) async fn write<W: AsyncWrite + Unpin>(write: &mut W, line: &[u8]) -> io::Result<()> {
    write.write_all(line).await?;
    write.flush().await
}
