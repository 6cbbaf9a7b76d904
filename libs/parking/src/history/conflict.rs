//! Rows of `conflicts`: what did not fit together, who stands, and by which rule.

use serde::{Deserialize, Serialize};
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;

use super::canonical::Canonical;
use super::row::EventRef;

/// What did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConflictKind {
    /// Two openings of one vehicle within the duplicate window: one passage.
    DuplicateEntry,
    /// A vehicle entered that was inside: the older session is superseded.
    Reentry,
    /// A closed session was left again: the earlier exit stands.
    DoubleExit,
    /// A vehicle left that had not entered.
    ExitWithoutEntry,
    /// An exit stands before the entry it names.
    ClockAnomaly,
    /// The charge was not made from the entry, or for the plate, that is now known.
    LateBasis,
}

impl ConflictKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateEntry => "DUPLICATE_ENTRY",
            Self::Reentry => "REENTRY",
            Self::DoubleExit => "DOUBLE_EXIT",
            Self::ExitWithoutEntry => "EXIT_WITHOUT_ENTRY",
            Self::ClockAnomaly => "CLOCK_ANOMALY",
            Self::LateBasis => "LATE_BASIS",
        }
    }

    /// The rule that decides it.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::DuplicateEntry => "duplicate_window",
            Self::Reentry => "reentry_supersedes",
            Self::DoubleExit => "earlier_exit_stands",
            Self::ExitWithoutEntry => "no_entry_record",
            Self::ClockAnomaly => "exit_not_before_entry",
            Self::LateBasis => "charge_is_never_rewritten",
        }
    }
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name of its event's kind.
    pub kind: String,
    /// The event.
    pub event: EventRef,
    /// Alias of the row it opened or acted on.
    pub event_id: Option<String>,
    /// Origin.
    pub central: CentralId,
    /// When, ms since the epoch; the right time, where the stamp was found wrong later.
    pub occurred_at: i64,
    /// The stamp its origin gave it, ms since the epoch.
    #[serde(default)]
    pub stamped_at: i64,
    /// Receive time by the origin's clock, ms since the epoch; none when erased.
    #[serde(default)]
    pub received_at: Option<i64>,
    /// The camera's time as sent, ms since the epoch.
    #[serde(default)]
    pub captured_at: Option<i64>,
    /// Lane clock skew it was stamped with, ms.
    pub skew_ms: Option<i64>,
    /// What the origin knew its own clock to be off by, and took off when it stamped it, ms.
    #[serde(default)]
    pub offset_ms: Option<i64>,
    /// Fee, VND.
    pub fee: Option<i64>,
}

/// A conflict that explains itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// Stable: hash of kind and candidates.
    pub id: Hash32,
    /// What did not fit.
    pub kind: ConflictKind,
    /// The vehicle.
    pub plate_tag: PlateTag,
    /// Human form of the plate.
    pub plate: Option<String>,
    /// Time of the event that made it, ms since the epoch.
    pub detected_at: i64,
    /// The sides, in rank order.
    pub candidates: Vec<Candidate>,
    /// The rule that decided.
    pub rule: String,
    /// Version of the policy in force; 0 is the built-in one.
    pub policy_version: i64,
    /// The duplicate window of that policy, ms, where it decided.
    #[serde(default)]
    pub window_ms: Option<i64>,
    /// The side that stands; none when a person must decide.
    pub winner: Option<EventRef>,
}

impl ConflictRow {
    /// The id of a conflict of this kind among these events.
    pub fn id_of<'a>(kind: ConflictKind, events: impl IntoIterator<Item = &'a EventRef>) -> Hash32 {
        let mut c = Canonical::new("parkmesh/conflict-id/1");
        c.text(kind.as_str());
        for e in events {
            c.event(e);
        }
        c.finish()
    }

    /// SHA-256 over a canonical encoding, the same at every central, without anything that shows the plate.
    pub fn row_hash(&self) -> Hash32 {
        let mut c = Canonical::new("parkmesh/conflict/2");
        c.bytes(self.id.as_bytes());
        c.text(self.kind.as_str());
        c.bytes(self.plate_tag.as_bytes());
        c.i64(self.detected_at);
        c.list(&self.candidates, |c, s| {
            c.text(&s.kind);
            c.event(&s.event);
            c.i64(s.occurred_at);
            c.i64(s.stamped_at);
            for n in [s.received_at, s.captured_at, s.skew_ms, s.offset_ms] {
                c.option(n, Canonical::i64);
            }
            c.option(s.fee, Canonical::i64);
        });
        c.text(&self.rule);
        c.i64(self.policy_version);
        c.option(self.window_ms, Canonical::i64);
        c.option(self.winner.as_ref(), Canonical::event);
        c.finish()
    }
}
