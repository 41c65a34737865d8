//! Stories across crates: real components, a real store, the real pipeline.

#[cfg(test)]
mod ambient;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod approvers;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod capture;
#[cfg(test)]
mod complete;
#[cfg(test)]
mod config;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod javascript;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod midcall;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod operating;
#[cfg(test)]
mod previews;
#[cfg(test)]
mod provenance;
#[cfg(test)]
mod python;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod redacted;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod state;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod upstream_http;
#[cfg(test)]
mod upstream_oauth;
#[cfg(test)]
mod upstream_odd;
#[cfg(test)]
mod upstream_server;
#[cfg(test)]
mod wasi_files;
#[cfg(test)]
mod wasi_http;
#[cfg(test)]
mod web;
