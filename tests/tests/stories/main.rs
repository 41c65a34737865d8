//! Stories that cross the crates: real components, a real store, the real line.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod operating;
#[cfg(test)]
mod web;
#[cfg(test)]
mod web_server;
#[cfg(test)]
mod world;
