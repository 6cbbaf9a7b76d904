//! Frames between centrals: one WebSocket binary message each.
//!
//! ```text
//! message := type u8 | payload
//! ```
//! `HELLO`, `HEARTBEAT` and the questions are JSON (readers ignore keys they do not know); events, positions and pages are
//! postcard or zstd. An unknown type is counted and skipped: a newer peer may send it. HELLO says which protocols a side speaks; what
//! came with protocol 2 (`BEAT`, packed events) is sent to peers only that speak it.

mod beat;
mod message;
mod packed;

pub use beat::{Beat, BeatEcho, ShortDigest};
pub use message::{
    BadMessage, Heartbeat, Hello, HoldingOfYou, MAX_FRAME_BYTES, Message, PROTOCOL_COMPACT, PROTOCOL_MAX,
    PROTOCOL_MIN, PlateAnswer, PlateQuestion, Positions, SyncRequest, SyncResponse,
};
