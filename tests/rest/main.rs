//! The REST surface and who may use it, over real sockets with real tokens.

#[cfg(test)]
mod anonymous;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod callers_token;
#[cfg(test)]
mod channel;
#[cfg(test)]
mod external;
#[cfg(test)]
mod hook_socket;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod links;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod preview;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod reported;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod slack;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod tls;
