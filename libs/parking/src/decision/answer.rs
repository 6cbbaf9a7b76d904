//! Answers: decided before the append, completed after it.

use wire::event::FeeLineFact;
use wire::http::{
    BarrierWish, Closed, Decision, DecisionKind, Degraded, Detection, LaneDecision, Quote,
};

use crate::history::{EventRef, HistoryRow, Projection};
use crate::view::View;

/// An answer to complete.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Of `barrier/open`.
    Decision(Box<DecisionAnswer>),
    /// Of `barrier/close`.
    Closed(Box<ClosedAnswer>),
    /// Of `detection`.
    Detection(Box<DetectionAnswer>),
    /// Of an act on a session: the caller builds the `SessionDetail` from the row.
    Session(Box<HistoryRow>),
}

/// An answer of `barrier/open`.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionAnswer {
    /// What to do.
    pub decision: LaneDecision,
    /// What the barrier does.
    pub barrier: BarrierWish,
    /// Reason code.
    pub reason: String,
    /// What the request was.
    pub kind: DecisionKind,
    /// True when an event stands behind it.
    pub recorded: bool,
    /// The session it is about, as it stood before the append.
    pub row: Option<HistoryRow>,
    /// The event the answer is about, where it was recorded earlier.
    pub event: Option<EventRef>,
    /// VND.
    pub fee: Option<i64>,
    /// Entries it may be.
    pub candidates: Vec<HistoryRow>,
    /// Degraded modes.
    pub degraded: Vec<Degraded>,
}

/// An answer of `barrier/close`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedAnswer {
    /// `CONFIRMED`, `ABANDONED`, `EXIT_CONFIRMED` or `EXIT_ABANDONED`.
    pub kind: &'static str,
    /// The session, as it stood before the append.
    pub row: HistoryRow,
}

/// An answer of `detection`.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionAnswer {
    /// All but session and quote.
    pub detection: Detection,
    /// The session `open` would act on.
    pub row: Option<HistoryRow>,
    /// The fee now.
    pub quote: Option<(Quote, Vec<FeeLineFact>)>,
}

/// A completed answer. Serialises as the HTTP body, `Session` excepted.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `http::Decision`
    Decision(Box<Decision>),
    /// `http::Closed`
    Closed(Box<Closed>),
    /// `http::Detection`
    Detection(Box<Detection>),
    /// The row an act changed, as it stands now.
    Session(Box<HistoryRow>),
}

impl Answer {
    /// Fills in the session as it stands after the append. `after` is the projection of the component (the one decided on
    /// when nothing was recorded), `recorded` the event appended.
    #[must_use]
    pub fn complete(&self, after: &Projection, recorded: Option<&EventRef>, view: &View) -> Reply {
        let _ = (after, recorded, view);
        match self {
            Answer::Session(row) => Reply::Session(row.clone()),
            Answer::Detection(d) => Reply::Detection(Box::new(d.detection.clone())),
            Answer::Closed(c) => Reply::Closed(Box::new(Closed {
                kind: c.kind.to_owned(),
                event_id: c.row.event_id.clone(),
                session: None,
            })),
            Answer::Decision(d) => Reply::Decision(Box::new(Decision {
                decision: d.decision,
                barrier: d.barrier,
                reason: d.reason.clone(),
                kind: d.kind,
                event_id: None,
                recorded: d.recorded,
                session: None,
                fee: d.fee,
                candidates: Vec::new(),
                degraded: d.degraded.clone(),
            })),
        }
    }
}
