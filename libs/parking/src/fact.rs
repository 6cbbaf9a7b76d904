//! Facts: events as the projection reads them.

use std::sync::Arc;

use wire::event::{Body, Frame, Header, Kind, Poison, StaffFact};
use wire::hash::{Hash32, PlateTag};
use wire::position::Position;

/// An event with its body read. What the projection and the decisions work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The header.
    pub header: Header,
    /// The event's hash; tells the branches of a fork apart.
    pub hash: Hash32,
    /// The body; none when it was erased, or when this release cannot project the event. Shared, since a round hands facts from memory to
    /// its world and back.
    pub body: Option<Arc<Body>>,
    /// True when this release cannot project the event (unknown kind, newer version): stored and relayed only.
    pub foreign: bool,
}

/// The order of events: (occurred_at, central, incarnation, seq, hash). Total, the same everywhere.
pub type Rank<'a> = (i64, &'a Position, Hash32);

impl Fact {
    /// Reads an event. Errors: [`Poison`], from the event's own bytes alone; a poison event is stored and relayed, and
    /// left out of every projection.
    pub fn of(frame: &Frame) -> Result<Self, Poison> {
        let body = Body::of(frame)?.map(Arc::new);
        Ok(Self { header: frame.header().clone(), hash: frame.hash(), body, foreign: !frame.is_known() })
    }

    /// Where it stands among all events.
    pub fn rank(&self) -> Rank<'_> {
        (self.header.occurred_at, &self.header.position, self.hash)
    }

    /// What happened.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// Its place in the log.
    pub fn position(&self) -> &Position {
        &self.header.position
    }

    /// The vehicle, as the origin read it.
    pub fn tag(&self) -> Option<PlateTag> {
        self.header.plate_tag
    }

    /// True when other events can name it: an opening, or an exit.
    pub fn is_passage(&self) -> bool {
        matches!(self.header.kind, Kind::EntryPending | Kind::Exit)
    }

    /// Lane and fee, as the stream shows them.
    pub fn lane_and_fee(&self) -> (Option<String>, Option<i64>) {
        let lane = match self.body.as_deref() {
            Some(Body::EntryPending(b)) => &b.edge_id,
            Some(Body::Exit(b)) => return (Some(b.edge_id.clone()), Some(b.fee)),
            Some(Body::EntryConfirmed(b) | Body::ExitConfirmed(b)) => &b.edge_id,
            Some(Body::EntryAbandoned(b) | Body::ExitAbandoned(b)) => &b.edge_id,
            Some(Body::LaneCommanded(b)) => &b.edge_id,
            Some(Body::LaneCommandSent(b)) => &b.edge_id,
            Some(Body::LaneCommandEnded(b)) => &b.edge_id,
            Some(Body::UnopenedPassage(b)) => &b.edge_id,
            _ => return (None, None),
        };
        (Some(lane.clone()), None)
    }

    /// Who, of the staff, stands behind it, and why.
    pub fn staff(&self) -> Option<&StaffFact> {
        match self.body.as_deref()? {
            Body::EntryPending(b) => b.staff.as_ref(),
            Body::Exit(b) => b.staff.as_ref(),
            Body::Payment(b) => b.staff.as_ref(),
            Body::PlateCorrected(b) => Some(&b.staff),
            Body::Voided(b) => Some(&b.staff),
            Body::Waived(b) => Some(&b.staff),
            Body::Uncollected(b) => Some(&b.staff),
            Body::PriceSet(b) => Some(&b.staff),
            Body::SoftClosed(b) => Some(&b.staff),
            Body::Reopened(b) => Some(&b.staff),
            Body::PolicySet(b) => Some(&b.staff),
            Body::LaneCommanded(b) => Some(&b.staff),
            Body::LaneModeSet(b) => Some(&b.staff),
            Body::PassageResolved(b) => Some(&b.staff),
            Body::ListEntrySet(b) => Some(&b.staff),
            Body::AntiPassbackReset(b) => Some(&b.staff),
            Body::AntiPassbackMode(b) => Some(&b.staff),
            Body::PassSet(b) => Some(&b.staff),
            Body::OccupancyCorrected(b) => Some(&b.staff),
            Body::LostRange(b) => Some(&b.staff),
            Body::EntryConfirmed(_)
            | Body::EntryAbandoned(_)
            | Body::ExitConfirmed(_)
            | Body::ExitAbandoned(_)
            | Body::BasisDifference(_)
            | Body::ClockOffset(_)
            | Body::LaneCommandSent(_)
            | Body::LaneCommandEnded(_)
            | Body::UnopenedPassage(_) => None,
        }
    }

    /// Why, where a central says it of its own accord.
    pub fn cause(&self) -> Option<&str> {
        match self.body.as_deref()? {
            Body::BasisDifference(b) => b.reason.as_deref(),
            _ => None,
        }
    }

    /// The money it speaks of, VND: charged, set by hand, forgiven, not collected, received, or what a charge should differ by.
    pub fn amount(&self) -> Option<i64> {
        match self.body.as_deref()? {
            Body::Exit(b) => Some(b.fee),
            Body::PriceSet(b) => Some(b.fee),
            Body::Waived(b) => Some(b.amount),
            Body::Uncollected(b) => Some(b.amount),
            Body::Payment(b) => Some(b.amount),
            Body::BasisDifference(b) => Some(b.difference),
            _ => None,
        }
    }

    /// The plate it speaks of, for people.
    pub fn plate(&self) -> Option<&str> {
        match self.body.as_deref()? {
            Body::EntryPending(b) => Some(&b.plate.display),
            Body::Exit(b) => Some(&b.plate.display),
            Body::PlateCorrected(b) => Some(&b.plate.display),
            _ => None,
        }
    }
}
