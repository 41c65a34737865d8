//! Real clients from their registries against the real binary: the official SDKs, agent frameworks with a
//! scripted model, and the conformance suite. `cargo xtask clients` installs them.

#[cfg(test)]
mod client;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod elicitation;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod opentelemetry;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod servers;
