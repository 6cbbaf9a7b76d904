//! What a round works off, and what came of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking::decision::PinCheck;
use parking::fact::Fact;
use wire::bus::command::{CommandEnvelope, CommandReply};
use wire::bus::trace::TraceContext;
use wire::event::Frame;
use wire::hash::{CommandId, PlateTag};
use wire::id::CentralId;

/// A command.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub envelope: &'a CommandEnvelope,
    /// The peers were asked for its vehicle.
    pub peers_asked: bool,
    /// What came of the PIN of the staff behind it.
    pub pin: PinCheck,
}

/// An event that came in, read before it is queued.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its bytes.
    pub frame: Frame,
    /// What it says, or why it is poison.
    pub fact: Result<Arc<Fact>, String>,
    /// Its trace, when live.
    pub trace: Option<TraceContext>,
}

/// Events that came together.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'a> {
    /// The peer they came through.
    pub from: &'a CentralId,
    /// They themselves.
    pub events: &'a [Arrived],
}

/// What a round works off.
#[derive(Debug, Default)]
pub struct Work<'a> {
    /// Commands, in order of receipt.
    pub commands: Vec<Asked<'a>>,
    /// Events.
    pub applies: Vec<Brought<'a>>,
    /// End passages whose time is up.
    pub sweep: bool,
    /// Vehicles to project anew: a rule changed, or events were stored without.
    pub anew: BTreeSet<PlateTag>,
    /// The events are part of many: they are stored, and the rows of their vehicles are made by a later round.
    pub bulk: bool,
}

/// What came of a command.
#[derive(Debug)]
pub enum Outcome {
    /// Answer after the commit. Where an event stands behind the answer for good, with the command that made it.
    Reply(CommandReply, Option<CommandId>),
    /// Ask the peers for this vehicle, then decide again.
    AskPeers(PlateTag),
}
