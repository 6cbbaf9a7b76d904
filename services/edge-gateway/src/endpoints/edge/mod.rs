//! What lanes call.

pub(crate) mod ack;
pub(crate) mod barrier_close;
pub(crate) mod barrier_open;
pub(crate) mod batch;
pub(crate) mod commands;
pub(crate) mod detection;
pub(crate) mod heartbeat;
pub(crate) mod plate_recognizer;
