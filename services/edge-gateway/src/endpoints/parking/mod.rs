//! What people and integrators read, and what staff do to sessions.

pub(crate) mod act;
pub(crate) mod calculate;
pub(crate) mod conflicts;
pub(crate) mod corrections;
pub(crate) mod history;
pub(crate) mod occupancy;
pub(crate) mod policies;
pub(crate) mod quote;
pub(crate) mod replay;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod unresolved;
