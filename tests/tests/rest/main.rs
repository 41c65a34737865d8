//! The REST surface and who may use it, over real sockets with real tokens.

#[expect(dead_code, reason = "the stories use the rest of it")]
#[path = "../stories/world.rs"]
mod world;

mod answers;
mod bad_input;
mod channel;
mod identity;
mod served;
mod tls;
