//! The gate's spans at collectors: what is sent, that nothing is missed, and that real ones understand it.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod collector;
#[cfg(test)]
mod delivery;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of the command line use the rest")]
#[path = "../cli/world.rs"]
mod folder;
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
#[cfg(test)]
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../stories/world.rs"]
mod world;
