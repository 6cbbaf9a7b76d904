//! What a decision is made from.

use wire::bus::command::CommandEnvelope;
use wire::event::Credential;
use wire::hash::{CommandId, PlateTag};
use wire::id::CentralId;

use super::staff::PinCheck;
use crate::clock::Stamp;
use crate::fact::Fact;
use crate::history::{HistoryRow, Policies, Projection};
use crate::lane_book::LaneBook;
use crate::plate::{PlateKey, PlateRead};
use crate::reference::Reference;
use crate::rights::{Counts, Rights};

/// Random bits of the caller, for the ids of vehicles without a plate and of observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dice(pub u64);

/// What holds for every decision of this central.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// This central.
    pub central: &'a CentralId,
    /// The operator's key for plate tags (`PLATE_KEY_FILE`).
    pub operator_key: &'a [u8],
    /// This central's clock less the median of its peers', ms.
    pub clock_offset_ms: i64,
    /// Rate tables, staff and passes.
    pub reference: &'a Reference,
    /// The policies in force.
    pub policies: &'a Policies,
    /// Lists, passes given here, car parks.
    pub rights: Rights<'a>,
}

/// A command as read, and what to load for it.
#[derive(Debug, Clone)]
pub struct Prepared<'a> {
    /// The command.
    pub envelope: &'a CommandEnvelope,
    /// What it is known by, once: from the idempotency key, or from what the contract takes in its place.
    pub command_id: Option<CommandId>,
    /// When it happened.
    pub stamp: Stamp,
    /// The plate, for commands that have one.
    pub plate: Option<PlateRead>,
    /// Its key: the plate's, or one generated for a vehicle without.
    pub key: Option<PlateKey>,
    /// The tag of that key.
    pub tag: Option<PlateTag>,
    /// Keys of the camera's other readings.
    pub candidates: Vec<PlateKey>,
    /// What to load.
    pub look: Look,
    /// The caller's random bits.
    pub dice: Dice,
}

/// What to load before [`super::decide`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// [`State::earlier`]: the event with this command id (of several the lowest-ranked), and its component.
    pub command: Option<CommandId>,
    /// [`State::projection`]: the components of these tags (the vehicle's first, then of the vehicles it shares a pass with) …
    pub tags: Vec<PlateTag>,
    /// … and the component of the session with this alias (or other alias), if there is one.
    pub event_id: Option<String>,
    /// [`State::open`]: the open sessions, needed when none has `tags[0]`.
    pub near: bool,
    /// [`State::at_lane`]: the rows of this edge.
    pub lane: Option<String>,
    /// [`State::by_card`]: the open session with this credential.
    pub credential: Option<Credential>,
    /// [`State::inside`].
    pub counts: bool,
    /// [`State::subject`]: the event with this command id, which the command speaks of.
    pub subject: Option<CommandId>,
}

/// An open session, for finding near plates.
#[derive(Debug, Clone, Copy)]
pub struct OpenSession<'a> {
    /// Its match key.
    pub key: &'a PlateKey,
    /// Its row.
    pub row: &'a HistoryRow,
}

/// What is known of the vehicles and the lane.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// The event recorded earlier for the same command id, at any central. Its component is part of `projection`.
    pub earlier: Option<&'a Fact>,
    /// The projection of what [`Look::tags`] and [`Look::event_id`] name.
    pub projection: &'a Projection,
    /// Open sessions that could be near (all of them will do).
    pub open: &'a [OpenSession<'a>],
    /// Rows whose entry (on an entry lane) or one of whose exits (on an exit lane) was opened at this edge: those still
    /// unconfirmed of the last hour, and those of the last 10 s. Any order.
    pub at_lane: &'a [HistoryRow],
    /// The open session with the credential presented.
    pub by_card: Option<&'a HistoryRow>,
    /// How lanes work, and what they were told.
    pub lanes: &'a LaneBook,
    /// The event the command speaks of.
    pub subject: Option<&'a Fact>,
    /// Events that connected peers hold are missing here.
    pub catching_up: bool,
    /// The peers were asked for this vehicle.
    pub peers_asked: bool,
    /// What came of the PIN of the staff behind it.
    pub pin: PinCheck,
    /// Vehicles inside, where they were asked for.
    pub inside: &'a Counts,
}
