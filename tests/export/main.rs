//! The gate's spans at collectors: what is sent, that nothing is missed, and that real ones understand it.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod real;
#[cfg(test)]
mod said;
#[cfg(test)]
mod served;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tree;
