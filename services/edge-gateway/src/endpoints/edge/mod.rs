//! What lanes call.

pub(crate) mod barrier_close;
pub(crate) mod barrier_open;
pub(crate) mod batch;
pub(crate) mod detection;
pub(crate) mod heartbeat;
pub(crate) mod plate_recognizer;
