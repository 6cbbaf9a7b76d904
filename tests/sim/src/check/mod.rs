//! Invariants: after every step, and at rest.

mod answers;
mod memory;
mod registry;
mod step;
mod timely;
mod truth;

use std::fmt;

pub use answers::{First, Gists, Told, wanted};
pub(crate) use memory::difference;
pub use registry::Registry;
pub use truth::{Truth, window};

/// Something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl Violation {
    /// An invariant does not hold.
    pub fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}
