//! The command line, as a user types it: the real binary, real components, a gate in a folder of its own.

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod components;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod explaining;
#[cfg(test)]
mod first_steps;
#[cfg(test)]
mod help;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod policy_cases;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod provenance;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod trusted;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod workbench;
