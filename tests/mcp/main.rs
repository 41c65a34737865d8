//! MCP: a real client, the real binary over stdio and HTTP, real components.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod escalation;
#[cfg(test)]
mod features;
#[cfg(test)]
mod http;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod reload;
