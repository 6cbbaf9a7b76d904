//! The mesh and its completeness, for people.

pub(crate) mod audit;
pub(crate) mod bundle_export;
pub(crate) mod bundle_import;
pub(crate) mod config;
pub(crate) mod lost_ranges;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod sync_state;
pub(crate) mod test_connection;
