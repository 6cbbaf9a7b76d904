//! Between the bus and the links: live events out and in, sync's messages, plate questions.

mod inbox;
mod live;
mod plate;
mod spans;
mod syncing;

pub(crate) use inbox::Inbox;
pub(crate) use live::send_committed;
pub(crate) use plate::{Lookups, answer_plate_question, ask_peers};
pub(crate) use syncing::{digest_came, send_for_sync, to_sync};
