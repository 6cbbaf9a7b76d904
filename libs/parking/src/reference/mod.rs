//! What decisions look up: rate tables, staff and passes.
//!
//! Each comes as a whole document `{version, items}` of the external API. [`read`] checks one strictly: a document with anything
//! wrong in it is refused whole, with every reason found, and the last good one stays in force. [`Reference`] is what holds now;
//! without any document it is the built-in rate tables, no staff list and no passes.

mod document;
mod limits;
mod pass;
mod refused;
mod staff;
#[cfg(test)]
mod tests;
mod throttle;

use std::sync::Arc;

pub use self::document::{Content, FeeConfig, Read, not_raised, read};
pub use self::limits::{MAX_DEPTH, max_items};
pub use self::pass::{Pass, Passes};
pub use self::refused::Refused;
pub use self::staff::{Power, Role, StaffList, StaffMember};
pub use self::throttle::PinThrottle;
use crate::tariff::{RateTableError, TariffBook};

/// What holds now. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    /// Rate tables.
    pub tariffs: Arc<TariffBook>,
    /// Who works here; none while nobody published a list with anyone on it: then every staff id with a reason is taken,
    /// flag `staff_unverified`.
    pub staff: Option<Arc<StaffList>>,
    /// Passes.
    pub passes: Arc<Passes>,
}

impl Reference {
    /// What holds while nothing is published.
    ///
    /// # Errors
    /// Never with the built-in files as shipped; a test reads them.
    pub fn built_in() -> Result<Self, RateTableError> {
        let tariffs = TariffBook::of(crate::tariff::builtin::tables()?, Vec::new());
        Ok(Self { tariffs: Arc::new(tariffs), ..Self::default() })
    }
}
