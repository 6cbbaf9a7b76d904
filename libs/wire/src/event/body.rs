//! Bodies: JSON, written once by the origin. Readers ignore keys they do not know.
//!
//! A body that cannot be read makes the event *poison*: stored, relayed, counted as held, left out of the projection. That is
//! decided by its own bytes alone.

use serde::de::DeserializeOwned;

use super::act::{PlateCorrected, PriceSet, Reopened, SoftClosed, Uncollected, Voided, Waived};
use super::charge::{BasisDifference, RecordedPayment};
use super::frame::{Content, Frame};
use super::kind::Kind;
use super::lane::{
    LaneCommandEnded, LaneCommandSent, LaneCommanded, LaneModeSet, PassageResolved, UnopenedPassage,
};
use super::passage::{BackedOut, Confirmed, EntryOpened, Exited};
use super::register::{AntiPassbackMode, AntiPassbackReset, ListEntry, OccupancyCorrected, PassSet};
use super::upkeep::{ClockOffset, PolicySet, RangeLost};

/// Why an event of a known kind is left out of the projection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// The body is not the JSON its kind asks for.
    #[error("body cannot be read: {0}")]
    Body(String),
    /// A header field the kind needs is missing.
    #[error("header lacks {0}")]
    Header(&'static str),
}

fn read<T: DeserializeOwned>(b: &[u8]) -> Result<T, Poison> {
    // The message names place and type, never the value: bodies hold plates.
    serde_json::from_slice(b)
        .map_err(|e| Poison::Body(format!("{:?} at column {}", e.classify(), e.column())))
}

/// One line per kind: what its body is. A kind and its body have the same name.
macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident($body:ty),)*) => {
        /// A body of a known kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Body {
            $($(#[$doc])* $name($body),)*
        }

        impl Body {
            fn read(kind: Kind, bytes: &[u8]) -> Result<Option<Self>, Poison> {
                Ok(Some(match kind {
                    $(Kind::$name => Body::$name(read(bytes)?),)*
                    Kind::Unknown(_) => return Ok(None),
                }))
            }

            /// The JSON bytes of a body.
            pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self {
                    $(Body::$name(b) => serde_json::to_vec(b),)*
                }
            }

            /// The kind this body belongs to.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Body::$name(_) => Kind::$name,)*
                }
            }
        }
    };
}

bodies! {
    /// `VEHICLE_ENTRY_PENDING`
    EntryPending(Box<EntryOpened>),
    /// `VEHICLE_ENTRY_CONFIRMED`
    EntryConfirmed(Confirmed),
    /// `VEHICLE_ENTRY_ABANDONED`
    EntryAbandoned(BackedOut),
    /// `VEHICLE_EXIT`
    Exit(Box<Exited>),
    /// `VEHICLE_EXIT_CONFIRMED`
    ExitConfirmed(Confirmed),
    /// `VEHICLE_EXIT_ABANDONED`
    ExitAbandoned(BackedOut),
    /// `PLATE_CORRECTED`
    PlateCorrected(PlateCorrected),
    /// `SESSION_VOIDED`
    Voided(Voided),
    /// `FEE_WAIVED`
    Waived(Waived),
    /// `FEE_UNCOLLECTED`
    Uncollected(Uncollected),
    /// `PRICE_SET`
    PriceSet(PriceSet),
    /// `SESSION_SOFT_CLOSED`
    SoftClosed(SoftClosed),
    /// `SESSION_REOPENED`
    Reopened(Reopened),
    /// `PAYMENT_RECORDED`
    Payment(RecordedPayment),
    /// `BASIS_DIFFERENCE`
    BasisDifference(BasisDifference),
    /// `POLICY_SET`
    PolicySet(PolicySet),
    /// `CLOCK_OFFSET`
    ClockOffset(ClockOffset),
    /// `LIST_ENTRY_SET`
    ListEntrySet(Box<ListEntry>),
    /// `ANTI_PASSBACK_RESET`
    AntiPassbackReset(AntiPassbackReset),
    /// `ANTI_PASSBACK_MODE`
    AntiPassbackMode(AntiPassbackMode),
    /// `PASS_SET`
    PassSet(Box<PassSet>),
    /// `OCCUPANCY_CORRECTED`
    OccupancyCorrected(OccupancyCorrected),
    /// `LANE_COMMAND`
    LaneCommanded(LaneCommanded),
    /// `LANE_COMMAND_SENT`
    LaneCommandSent(LaneCommandSent),
    /// `LANE_COMMAND_ENDED`
    LaneCommandEnded(LaneCommandEnded),
    /// `LANE_MODE_SET`
    LaneModeSet(LaneModeSet),
    /// `PASSAGE_WITHOUT_OPENING`
    UnopenedPassage(UnopenedPassage),
    /// `PASSAGE_RESOLVED`
    PassageResolved(PassageResolved),
    /// `LOST_RANGE`
    LostRange(RangeLost),
}

impl Body {
    /// The charge of an exit, VND; none where nobody has priced it, and for every other body.
    #[must_use]
    pub fn charged(&self) -> Option<i64> {
        match self {
            Body::Exit(b) => b.charged(),
            _ => None,
        }
    }

    /// Reads the body of a frame. `Ok(None)`: nothing to project (unknown kind, newer version, or erased).
    pub fn of(frame: &Frame) -> Result<Option<Self>, Poison> {
        let Content::Full { body: b, .. } = frame.content() else { return Ok(None) };
        if !frame.is_known() {
            return Ok(None);
        }
        let h = frame.header();
        let needs_opening =
            !matches!(h.kind, Kind::EntryPending | Kind::Exit | Kind::ExitConfirmed | Kind::ExitAbandoned)
                && h.kind.is_of_vehicle();
        if needs_opening && h.opening.is_none() {
            return Err(Poison::Header("opening"));
        }
        if h.kind.is_of_vehicle() && h.plate_tag.is_none() {
            return Err(Poison::Header("plate_tag"));
        }
        Self::read(h.kind, b)
    }
}
