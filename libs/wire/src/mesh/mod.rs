//! Frames between centrals: one WebSocket binary message each.
//!
//! ```text
//! message := type u8 | payload
//! ```
//! `HELLO`, `HEARTBEAT` and the questions are JSON (readers ignore keys they do not know); events, positions and pages are
//! postcard or zstd. An unknown type is counted and skipped: a newer peer may send it.

mod message;

pub use message::{
    BadMessage, Heartbeat, Hello, HoldingOfYou, MAX_FRAME_BYTES, Message, PROTOCOL_MAX, PROTOCOL_MIN,
    PlateAnswer, PlateQuestion, Positions, SyncRequest, SyncResponse,
};
