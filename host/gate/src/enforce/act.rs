//! Actions that may only happen once they are decided and recorded.

use tollgate_model::{entity::Entity, request::Request};

use super::CallContext;

/// An action that may only happen once it is decided and recorded.
pub trait Act {
    /// The request to the decision point.
    fn request(&self, cx: &CallContext) -> Request;

    /// Entities of the request that the configuration does not name.
    fn entities(&self) -> Vec<Entity> {
        Vec::new()
    }

    /// Whether it changes the world, so that its decision must be durable before it happens.
    fn changes_the_world(&self) -> bool {
        true
    }
}
