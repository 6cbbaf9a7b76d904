//! The event: bytes its origin writes once, stored and relayed **byte for byte**.
//!
//! ```text
//! frame  := version u8 | form u8 | header_len u16 (big endian) | header | content
//! header := prev_hash [32] | kind u16 (big endian) | postcard(central, incarnation, seq, occurred_at, command_id, opening, plate_tag)
//!           | bytes of later versions
//! content:= form 1 (full):   salt [16] | body (JSON)
//!           form 0 (erased): H(salt | body) [32]
//! hash    = H("parkmesh/event" | version | header | H(salt | body))
//! ```
//! The hash is the same for both forms, so a body can be erased without breaking the chain. A reader of an older version can
//! always place, store, relay and verify an event of a newer one: everything up to `plate_tag` never changes its form.

mod act;
mod body;
mod charge;
mod facts;
mod frame;
mod header;
mod kind;
mod lane;
mod passage;
mod register;
mod upkeep;

pub use act::{PlateCorrected, PriceSet, Reopened, SoftClosed, Uncollected, Voided, Waived};
pub use body::{Body, Poison};
pub use charge::{Basis, BasisDifference, FeeLineFact, RateTableRef, RecordedPayment, RightFact};
pub use facts::{ClockFacts, Credential, PlateFacts, StaffFact};
pub use frame::{BadFrame, Content, Frame, MAX_FRAME_BYTES, Salt};
pub use header::Header;
pub use kind::Kind;
pub use lane::{
    LaneCommandEnded, LaneCommandSent, LaneCommanded, LaneMode, LaneModeSet, LaneOrder, LaneOutcome,
    PassageResolved, UnopenedPassage,
};
pub use passage::{BackedOut, Confirmed, EntryOpened, Exited, NO_RATE_TABLE};
pub use register::{
    AntiPassbackMode, AntiPassbackReset, ListEntry, ListKind, OccupancyCorrected, PassSet, PassbackMode,
};
pub use upkeep::{ClockOffset, PolicyRule, PolicySet, RangeLost};

/// The readable alias of an opening: origin, milliseconds of `occurred_at`, plate key. `~2` and so on is added by the
/// projection when two openings share one.
pub fn event_id(central: &crate::id::CentralId, occurred_at: i64, plate_key: &str) -> String {
    format!("{central}_{occurred_at}_{plate_key}")
}
