//! Answers: decided before the append, completed after it.

use wire::event::{Body, PolicySet, RangeLost};
use wire::http::{
    BarrierWish, Closed, Decision, DecisionKind, Degraded, Detection, LaneCommandView, LaneDecision,
    LaneModeView, LostRange, NextForLane, PolicyAnswer, RegisterView, ResolvedView,
};

use super::fee::Price;
use super::lane_control::LaneAnswer;
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
    /// Of a change of the rules.
    Policy(Box<PolicyReply>),
    /// About a lane.
    Lane(Box<LaneAnswer>),
    /// Of the closing of a lost range.
    LostRange(Box<LostRangeAnswer>),
    /// Of a change of the register.
    Register(Box<RegisterReply>),
}

/// An answer to a change of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterReply {
    /// What the event says.
    pub body: Body,
    /// When, ms since the epoch.
    pub occurred_at: i64,
    /// The event, where it was recorded earlier.
    pub event: Option<EventRef>,
}

/// An answer to a change of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReply {
    /// The policy.
    pub set: PolicySet,
    /// When it was set, ms since the epoch.
    pub occurred_at: i64,
    /// The event, where it was recorded earlier.
    pub event: Option<EventRef>,
}

/// An answer of `barrier/open`.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionAnswer {
    /// What to do.
    pub decision: LaneDecision,
    /// What the barrier does.
    pub barrier: BarrierWish,
    /// Reason code.
    pub reason: &'static str,
    /// What the request was.
    pub kind: DecisionKind,
    /// True when an event stands behind it.
    pub recorded: bool,
    /// The session it is about, as it stood before the append.
    pub row: Option<HistoryRow>,
    /// The event it is about, where that was recorded earlier.
    pub event: Option<EventRef>,
    /// VND.
    pub fee: Option<i64>,
    /// The price behind the fee.
    pub price: Option<Price>,
    /// Entries it may be.
    pub candidates: Vec<HistoryRow>,
    /// Reference of the request's picture.
    pub image_ref: Option<String>,
    /// Degraded modes.
    pub degraded: Vec<Degraded>,
}

/// An answer of `barrier/close`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedAnswer {
    /// `CONFIRMED`, `ABANDONED`, `EXIT_CONFIRMED`, `EXIT_ABANDONED` or `TAILGATE`.
    pub kind: &'static str,
    /// The session, as it stood before the append; none of a tailgater nobody knows whom it followed.
    pub row: Option<HistoryRow>,
    /// On a lane that goes both ways: the way was told by the session, not by the request. The same request may mean
    /// the other way later.
    pub guessed: bool,
}

/// An answer of `detection`.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionAnswer {
    /// All but session and quote.
    pub detection: Detection,
    /// The session `open` would act on.
    pub row: Option<HistoryRow>,
    /// The fee now.
    pub price: Option<Price>,
}

/// An answer of the closing of a lost range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRangeAnswer {
    /// What the event says.
    pub lost: RangeLost,
    /// When, ms since the epoch.
    pub at: i64,
    /// The event, where it was recorded earlier.
    pub event: Option<EventRef>,
}

/// A completed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The body of `barrier/open`.
    Decision(Box<Decision>),
    /// The body of `barrier/close`.
    Closed(Box<Closed>),
    /// The body of `detection`.
    Detection(Box<Detection>),
    /// The row an act changed, as it stands now.
    Session(Box<HistoryRow>),
    /// The body of `policies`.
    Policy(Box<PolicyAnswer>),
    /// The body of a change of the register.
    Register(Box<Option<RegisterView>>),
    /// A command to a lane.
    LaneCommand(Box<LaneCommandView>),
    /// What to send to a lane next.
    Next(Box<NextForLane>),
    /// The mode of lanes.
    Mode(Box<LaneModeView>),
    /// What was explained.
    Resolved(Box<ResolvedView>),
    /// The range that was closed.
    LostRange(Box<LostRange>),
}

impl Answer {
    /// True when a repetition of the request gets this same answer. Not so for what recorded nothing (`ask_staff`, …): the
    /// call that comes again with staff has the same key and is decided anew.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Decision(d) => d.recorded && d.decision != LaneDecision::AskStaff,
            // Of a session still on its way here more can be said later.
            Self::Closed(c) => !c.guessed && c.row.is_some(),
            Self::Session(_) | Self::Policy(_) | Self::Register(_) | Self::LostRange(_) => true,
            Self::Lane(a) => !matches!(**a, LaneAnswer::Next(_)),
            Self::Detection(_) => false,
        }
    }

    /// Fills in the session as it stands after the append. `after` is the projection of the component (the one decided
    /// on, when nothing was recorded), `recorded` the event appended.
    #[must_use]
    pub fn complete(&self, after: &Projection, recorded: Option<&EventRef>, view: &View) -> Reply {
        match self {
            Self::Session(row) => Reply::Session(Box::new(now(row, after).clone())),
            Self::Policy(p) => {
                let at = recorded.or(p.event.as_ref()).map(|e| &e.position);
                let policy = view.policy(&p.set, p.occurred_at, at);
                Reply::Policy(Box::new(PolicyAnswer { recorded: true, policy: Some(policy), effect: None }))
            }
            Self::Register(r) => {
                let at = recorded.or(r.event.as_ref()).map(|e| &e.position);
                Reply::Register(Box::new(view.register(&r.body, r.occurred_at, at)))
            }
            Self::Closed(c) => {
                let row = c.row.as_ref().map(|r| now(r, after));
                Reply::Closed(Box::new(Closed {
                    kind: c.kind.to_owned(),
                    event_id: row.map(|r| r.event_id.clone()),
                    session: row.map(|r| view.session(r)),
                }))
            }
            Self::Lane(a) => match &**a {
                LaneAnswer::Command(c) => Reply::LaneCommand(Box::new(view.lane_command(c))),
                LaneAnswer::Next(next) => {
                    let command = next.as_ref().map(|(c, at)| view.lane_command_out(c, *at));
                    Reply::Next(Box::new(NextForLane { command }))
                }
                LaneAnswer::Mode { set, since, central, id } => {
                    Reply::Mode(Box::new(view.lane_mode(set, *since, central, *id)))
                }
                LaneAnswer::Resolved { resolved, at } => {
                    Reply::Resolved(Box::new(view.resolved(resolved, *at)))
                }
            },
            Self::Detection(d) => {
                let mut detection = d.detection.clone();
                let row = d.row.as_ref().map(|r| now(r, after));
                detection.session = row.map(|r| view.session(r));
                let event_id = row.map(|r| r.event_id.clone());
                detection.quote = d.price.as_ref().map(|p| view.quote(event_id, p));
                Reply::Detection(Box::new(detection))
            }
            Self::Decision(d) => Reply::Decision(Box::new(d.complete(after, recorded, view))),
            Self::LostRange(a) => {
                let event = recorded.or(a.event.as_ref());
                let position = event.map(|e| e.position.to_string()).unwrap_or_default();
                Reply::LostRange(Box::new(view.lost_range(position, a.at, &a.lost)))
            }
        }
    }
}

impl DecisionAnswer {
    fn complete(&self, after: &Projection, recorded: Option<&EventRef>, view: &View) -> Decision {
        let event = recorded.or(self.event.as_ref());
        let row = event
            .and_then(|e| after.row_at(&e.position, &e.hash).or_else(|| after.row_of(&e.position)))
            .or_else(|| self.row.as_ref().map(|r| now(r, after)));
        Decision {
            decision: self.decision,
            barrier: self.barrier,
            reason: self.reason.to_owned(),
            kind: self.kind,
            event_id: row.map(|r| r.event_id.clone()),
            recorded: self.recorded,
            session: row.map(|r| view.session(r)),
            fee: self.fee,
            candidates: self.candidates.iter().map(|r| view.candidate(now(r, after))).collect(),
            image_ref: self.image_ref.clone(),
            degraded: self.degraded.clone(),
        }
    }
}

/// The row as it stands after the append, where it is still there.
fn now<'a>(row: &'a HistoryRow, after: &'a Projection) -> &'a HistoryRow {
    after.row_at(&row.opening.position, &row.opening.hash).unwrap_or(row)
}
