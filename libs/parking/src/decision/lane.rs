//! What the decisions of entry and exit lanes share.

use wire::bus::command::{Command, CommandEnvelope, LaneFacts, Seen};
use wire::event::{LaneMode, RecordedPayment};
use wire::http::{BarrierWish, DecisionKind, Degraded, LaneDecision, Payment, Problem};

use super::answer::{Answer, DecisionAnswer};
use super::fee::Terms;
use super::ruling::Ruling;
use super::staff::{Staff, UNVERIFIED};
use super::state::{Prepared, Site, State};
use crate::history::HistoryRow;
use crate::plate::{PlateKey, PlateRead, is_look_alike};

/// Two reads of one camera within this many ms are one passage, whatever the barrier did in between.
pub const BURST_CAMERA_MS: i64 = 4_500;
/// Two reads at one lane (front and rear camera) within this many ms are one passage: of one plate always, of two that may be one
/// while it is not confirmed.
pub const BURST_LANE_MS: i64 = 8_000;

/// An `open` (or a detection, which asks what `open` would do), with everything at hand.
pub(super) struct Ask<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) site: &'a Site<'a>,
    pub(super) state: &'a State<'a>,
    pub(super) lane: &'a LaneFacts,
    pub(super) seen: &'a Seen,
    pub(super) read: &'a PlateRead,
    pub(super) key: &'a PlateKey,
    pub(super) tag: wire::hash::PlateTag,
    pub(super) staff: Option<Staff>,
    pub(super) event_id: Option<&'a str>,
    pub(super) lost_credential: bool,
    /// Ids of the discounts that staff grant.
    pub(super) discounts: &'a [String],
    pub(super) payment: Option<&'a Payment>,
}

impl<'a> Ask<'a> {
    /// None for commands that are neither open nor detection.
    pub(super) fn of(
        prepared: &'a Prepared<'a>,
        site: &'a Site<'a>,
        state: &'a State<'a>,
    ) -> Result<Option<Self>, Box<Problem>> {
        let (Some(read), Some(key), Some(tag)) = (&prepared.plate, &prepared.key, prepared.tag) else {
            return Ok(None);
        };
        let plain = |lane, seen| Self {
            prepared,
            site,
            state,
            lane,
            seen,
            read,
            key,
            tag,
            staff: None,
            event_id: None,
            lost_credential: false,
            discounts: &[],
            payment: None,
        };
        Ok(match &prepared.envelope.command {
            Command::Detect { lane, seen } => Some(plain(lane, seen)),
            Command::Open { lane, seen, reason, event_id, lost_credential, discounts, payment, .. } => {
                let staff = Staff::of(prepared, reason.as_deref(), site, state)?;
                if !discounts.is_empty() && staff.is_none() && !prepared.stamp.late {
                    let message = "must say who of the staff grants the discounts";
                    return Err(Box::new(Problem::field("missing", "/staff_id", message)));
                }
                Some(Self {
                    discounts: if staff.is_some() { discounts } else { &[] },
                    staff,
                    event_id: event_id.as_deref(),
                    lost_credential: *lost_credential,
                    payment: payment.as_ref(),
                    ..plain(lane, seen)
                })
            }
            _ => None,
        })
    }

    /// How the lane works.
    pub(super) fn mode(&self) -> LaneMode {
        self.state.lanes.mode(&self.lane.edge_id)
    }

    /// Nobody can be asked before the vehicle is gone: it is gone already, or the barrier stays up.
    pub(super) fn nobody_to_ask(&self) -> bool {
        self.prepared.stamp.late || self.mode().is_open()
    }

    /// When it happened, ms.
    pub(super) fn at(&self) -> i64 {
        self.prepared.stamp.occurred_at
    }

    /// Class as said, else the lane's first.
    pub(super) fn class(&self) -> String {
        let said = self.seen.vehicle_class.as_ref().or(self.lane.vehicle_classes.first());
        said.cloned().unwrap_or_else(|| "car".to_owned())
    }

    /// The barrier of an answer that opens: a late delivery records what happened and never opens.
    pub(super) fn opening(&self) -> BarrierWish {
        if self.prepared.stamp.late { BarrierWish::KeepClosed } else { BarrierWish::Open }
    }

    /// The barrier of an answer that does not open: it stays as it is.
    pub(super) fn resting(&self) -> BarrierWish {
        if self.mode().is_open() { self.opening() } else { BarrierWish::KeepClosed }
    }

    pub(super) fn degraded(&self) -> Vec<Degraded> {
        degraded(self.prepared.envelope, self.state)
    }

    /// Flags of the event's body that do not come from the plate.
    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags: Vec<String> = self.prepared.stamp.flags.iter().map(|f| (*f).to_owned()).collect();
        flags.extend(self.degraded().iter().map(|d| d.as_str().to_owned()));
        if self.staff.as_ref().is_some_and(|s| !s.verified) {
            flags.push(UNVERIFIED.to_owned());
        }
        if self.lane.assumed {
            flags.push("no_loop".to_owned());
        }
        if self.mode().is_open() {
            flags.push(self.mode().as_str().to_owned());
        }
        flags
    }

    /// What the fee depends on beside the stay.
    pub(super) fn terms(&self) -> Terms<'a> {
        Terms { lost_credential: self.lost_credential, discounts: self.discounts }
    }

    pub(super) fn recorded_payment(&self) -> Option<RecordedPayment> {
        self.payment.map(|p| RecordedPayment {
            method: p.method.clone(),
            amount: p.amount,
            reference: p.reference.clone(),
            staff: None,
        })
    }

    /// An answer with nothing special in it.
    pub(super) fn answer(&self, decision: LaneDecision, reason: &'static str) -> DecisionAnswer {
        DecisionAnswer {
            decision,
            barrier: self.resting(),
            reason,
            kind: DecisionKind::None,
            recorded: false,
            row: None,
            event: None,
            fee: None,
            price: None,
            candidates: Vec::new(),
            image_ref: self.seen.image_ref.clone(),
            degraded: self.degraded(),
        }
    }

    /// A person decides; nothing is recorded until the call comes again with staff.
    pub(super) fn ask_staff(&self, reason: &'static str) -> DecisionAnswer {
        self.answer(LaneDecision::AskStaff, reason)
    }

    /// Whether a passage read at this lane `since` ms before is this one: the same plate misread, or not readable.
    pub(super) fn is_burst(&self, row: &HistoryRow, since: i64, unconfirmed: bool) -> bool {
        let since = since.saturating_abs();
        // The rear camera reads the very plate after the loop; another plate by then is more likely the next vehicle.
        if row.plate_tag == self.tag {
            return since <= BURST_LANE_MS;
        }
        let window = if unconfirmed { BURST_LANE_MS } else { BURST_CAMERA_MS };
        if since > window {
            return false;
        }
        // Two cards are two drivers, however alike the plates.
        if let (Some(a), Some(b)) = (&self.seen.credential, &row.credential)
            && a != b
        {
            return false;
        }
        let Some(other) = row.plate_key.as_deref().and_then(|k| PlateKey::new(k).ok()) else { return false };
        if self.read.key.is_none() || other.is_generated() {
            return unconfirmed;
        }
        // A plate one character away is another car, unless the camera itself was in doubt between the two: to take two
        // cars for one loses a session, to take one for two only leaves an orphan.
        is_look_alike(self.key, &other) || (unconfirmed && self.prepared.candidates.contains(&other))
    }
}

/// Degraded modes of an answer: what the gateway knows, and what the ledger knows.
pub(super) fn degraded(envelope: &CommandEnvelope, state: &State<'_>) -> Vec<Degraded> {
    let mut degraded = envelope.degraded.clone();
    if state.catching_up {
        degraded.push(Degraded::CatchingUp);
    }
    degraded.sort_unstable();
    degraded.dedup();
    degraded
}

/// Answers without recording.
pub(super) fn just(answer: DecisionAnswer) -> Ruling {
    Ruling::Answer(Box::new(Answer::Decision(Box::new(answer))))
}
