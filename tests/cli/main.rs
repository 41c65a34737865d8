//! The command line from outside: the real binary, real components, one gate folder per test.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod components;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod first_steps;
#[cfg(test)]
mod help;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod workbench;
#[cfg(test)]
mod world;
