//! What is met in the field: servers, clients, coding agents and senders that do what their documentation allows, or a
//! little more, in front of the real command.

#[cfg(test)]
mod components;
#[cfg(test)]
mod elicitation;
#[cfg(test)]
mod front;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod listings;
#[cfg(test)]
mod results;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod senders;
