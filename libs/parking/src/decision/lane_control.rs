//! What people tell lanes: commands, modes, and the explanation of what belongs to no session.

use wire::bus::command::Command;
use wire::event::{
    Body, LaneCommandEnded, LaneCommandSent, LaneCommanded, LaneMode, LaneModeSet, LaneOrder, LaneOutcome,
    PassageResolved, StaffFact,
};
use wire::hash::{CommandId, PlateTag};
use wire::http::Problem;
use wire::id::CentralId;
use wire::position::Position;

use super::answer::Answer;
use super::problems;
use super::ruling::{Draft, Record, Ruling};
use super::staff::Staff;
use super::state::{Prepared, Site, State};
use crate::fact::Fact;
use crate::lane_book::{Fate, LaneBook, LaneCommand, MODE_EXPIRES_MS, ModeSet, Next};
use crate::unresolved;

/// No command may wait longer for its lane, ms.
pub const LONGEST_COMMAND_MS: i64 = 60_000;

/// A command as it is shown. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandShown {
    /// Its id.
    pub id: CommandId,
    /// The lane's edge.
    pub edge_id: String,
    /// `open`, `close`, `hold_open` or `normal`.
    pub command: &'static str,
    /// The session it is for.
    pub event_id: Option<String>,
    /// Who gave it.
    pub central: CentralId,
    /// When.
    pub issued_at: i64,
    /// Not to be done after this; none for a mode.
    pub expires_at: Option<i64>,
    /// What became of it.
    pub fate: Fate,
    /// Who and why.
    pub staff: StaffFact,
}

/// An answer about a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneAnswer {
    /// A command.
    Command(CommandShown),
    /// What to send next, with the moment it went out.
    Next(Option<(CommandShown, i64)>),
    /// A mode.
    Mode {
        /// What was set.
        set: LaneModeSet,
        /// Since when.
        since: i64,
        /// Where.
        central: CentralId,
        /// What lanes acknowledge it by.
        id: CommandId,
    },
    /// Something was explained.
    Resolved {
        /// How.
        resolved: PassageResolved,
        /// When.
        at: i64,
    },
}

/// How a lane is told what to do.
#[must_use]
pub const fn order_name(order: LaneOrder) -> &'static str {
    match order {
        LaneOrder::Open => "open",
        LaneOrder::Close => "close",
    }
}

/// How a lane is told its mode.
#[must_use]
pub const fn mode_command(mode: LaneMode) -> &'static str {
    match mode {
        LaneMode::Normal => "normal",
        LaneMode::HeldOpen | LaneMode::Emergency => "hold_open",
        LaneMode::Closed => "close",
    }
}

impl CommandShown {
    /// A command, with what became of it.
    #[must_use]
    pub fn of(c: &LaneCommand, fate: Fate) -> Self {
        Self {
            id: c.id,
            edge_id: c.edge_id.clone(),
            command: order_name(c.order),
            event_id: c.event_id.clone(),
            central: c.event.position.stream.central.clone(),
            issued_at: c.issued_at,
            expires_at: Some(c.expires_at),
            fate,
            staff: c.staff.clone(),
        }
    }

    fn of_mode(edge: &str, set: &ModeSet, fate: Fate) -> Self {
        Self {
            id: set.id,
            edge_id: edge.to_owned(),
            command: mode_command(set.mode),
            event_id: None,
            central: set.event.position.stream.central.clone(),
            issued_at: set.since,
            expires_at: None,
            fate,
            staff: set.staff.clone(),
        }
    }

    /// From the event itself; none for an event that tells no lane anything, or not this one.
    fn of_fact(fact: &Fact, edge: &str, fate: Fate) -> Option<Self> {
        let (command, event_id, expires_at, staff) = match fact.body.as_deref()? {
            Body::LaneCommanded(b) if b.edge_id == edge => {
                (order_name(b.order), b.event_id.clone(), Some(b.expires_at), &b.staff)
            }
            Body::LaneModeSet(b) if b.edges.iter().any(|e| e == edge) => {
                (mode_command(b.mode), None, None, &b.staff)
            }
            _ => return None,
        };
        Some(Self {
            id: fact.header.command_id?,
            edge_id: edge.to_owned(),
            command,
            event_id,
            central: fact.position().stream.central.clone(),
            issued_at: fact.header.occurred_at,
            expires_at,
            fate,
            staff: staff.clone(),
        })
    }
}

fn lane(answer: LaneAnswer) -> Answer {
    Answer::Lane(Box::new(answer))
}

/// Rules on a command about lanes.
pub(super) fn decide(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
) -> Result<Ruling, Box<Problem>> {
    match &prepared.envelope.command {
        Command::TellLane { edge_id, order, event_id, expires_in_ms, reason, .. } => {
            who(prepared, reason, site, state).and_then(|staff| {
                let wanted = Wanted { edge_id, order: *order, event_id: event_id.as_deref() };
                tell(prepared, site, state, &wanted, *expires_in_ms, staff)
            })
        }
        Command::NextForLane { edge_id, told } => Ok(next(prepared, site, state, edge_id, told)),
        Command::EndLaneCommand { id, edge_id, outcome, detail } => {
            end(prepared, state, *id, edge_id, *outcome, detail.clone())
        }
        Command::SetLaneMode { edges, mode, reason, .. } => who(prepared, reason, site, state).map(|staff| {
            set_mode(prepared, site, state, LaneModeSet { edges: edges.clone(), mode: *mode, staff })
        }),
        Command::Resolve { id, event_id, reason, .. } => who(prepared, reason, site, state)
            .and_then(|staff| resolve(prepared, state, *id, event_id.as_deref(), staff)),
        _ => Err(Box::new(problems::key_reused())),
    }
}

fn who(
    prepared: &Prepared<'_>,
    reason: &str,
    site: &Site<'_>,
    state: &State<'_>,
) -> Result<StaffFact, Box<Problem>> {
    match Staff::of(prepared, Some(reason), site, state)? {
        Some(staff) => Ok(staff.fact),
        None => Err(Box::new(Problem::field("missing", "/staff_id", "must say who"))),
    }
}

/// The session a lane's affair is for: its opening and its vehicle.
fn session(state: &State<'_>, event_id: &str) -> Result<(String, Position, PlateTag), Box<Problem>> {
    let row = state.projection.row_named(event_id).ok_or_else(|| problems::unknown_session(event_id))?;
    let row = state.projection.session_of(row);
    Ok((row.event_id.clone(), row.opening.position.clone(), row.plate_tag))
}

struct Wanted<'a> {
    edge_id: &'a str,
    order: LaneOrder,
    event_id: Option<&'a str>,
}

fn tell(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
    wanted: &Wanted<'_>,
    expires_in_ms: i64,
    staff: StaffFact,
) -> Result<Ruling, Box<Problem>> {
    if !(1_000..=LONGEST_COMMAND_MS).contains(&expires_in_ms) {
        let limit = format!("must be 1 to {}", LONGEST_COMMAND_MS / 1000);
        return Err(Box::new(Problem::field("out_of_range", "/expires_in_s", &limit)));
    }
    let session = wanted.event_id.map(|id| session(state, id)).transpose()?;
    let id = named(prepared);
    let expires_at = prepared.envelope.received_at.saturating_add(expires_in_ms);
    let event_id = session.as_ref().map(|(alias, ..)| alias.clone());
    let shown = CommandShown {
        id,
        edge_id: wanted.edge_id.to_owned(),
        command: order_name(wanted.order),
        event_id: event_id.clone(),
        central: site.central.clone(),
        issued_at: prepared.stamp.occurred_at,
        expires_at: Some(expires_at),
        fate: Fate::default(),
        staff: staff.clone(),
    };
    let body = Body::LaneCommanded(LaneCommanded {
        edge_id: wanted.edge_id.to_owned(),
        order: wanted.order,
        expires_at,
        event_id,
        staff,
    });
    let (opening, plate_tag) = session.map_or((None, None), |(_, at, tag)| (Some(at), Some(tag)));
    let draft =
        Draft { occurred_at: prepared.stamp.occurred_at, command_id: Some(id), opening, plate_tag, body };
    Ok(Ruling::Record(Box::new(Record { draft, answer: lane(LaneAnswer::Command(shown)) })))
}

/// What a lane's affair is known by: the request's id, or drawn.
fn named(prepared: &Prepared<'_>) -> CommandId {
    prepared
        .command_id
        .unwrap_or_else(|| CommandId::of("lane", "drawn", &format!("{:016x}", prepared.dice.0)))
}

fn next(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
    edge: &str,
    told: &[CommandId],
) -> Ruling {
    let now = prepared.envelope.received_at;
    let shown = |c: &LaneCommand| CommandShown::of(c, state.lanes.fate(c.id));
    match state.lanes.next(edge, site.central, now, told) {
        None => Ruling::Answer(Box::new(lane(LaneAnswer::Next(None)))),
        Some(Next::Mode(set)) => {
            let mut shown = CommandShown::of_mode(edge, set, Fate::default());
            shown.expires_at = Some(now.saturating_add(MODE_EXPIRES_MS));
            Ruling::Answer(Box::new(lane(LaneAnswer::Next(Some((shown, now))))))
        }
        Some(Next::Again(c)) => Ruling::Answer(Box::new(lane(LaneAnswer::Next(Some((shown(c), now)))))),
        Some(Next::Fresh(c)) => {
            let draft = Draft {
                occurred_at: prepared.stamp.occurred_at,
                command_id: Some(CommandId::of("lane", "sent", &c.id.to_string())),
                opening: None,
                plate_tag: None,
                body: Body::LaneCommandSent(LaneCommandSent { edge_id: c.edge_id.clone(), command: c.id }),
            };
            let answer = lane(LaneAnswer::Next(Some((shown(c), now))));
            Ruling::Record(Box::new(Record { draft, answer }))
        }
    }
}

/// The command id of a lane's word: it is taken once.
pub(super) fn end_id(id: CommandId) -> CommandId {
    CommandId::of("lane", "ack", &id.to_string())
}

fn end(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    id: CommandId,
    edge: &str,
    outcome: LaneOutcome,
    detail: Option<String>,
) -> Result<Ruling, Box<Problem>> {
    let mut shown = told(state, id, edge)?;
    let body = LaneCommandEnded { edge_id: edge.to_owned(), command: id, outcome, detail };
    shown.fate.ended = Some((prepared.stamp.occurred_at, outcome));
    shown.fate.detail.clone_from(&body.detail);
    let draft = Draft {
        occurred_at: prepared.stamp.occurred_at,
        command_id: Some(end_id(id)),
        opening: None,
        plate_tag: None,
        body: Body::LaneCommandEnded(body),
    };
    Ok(Ruling::Record(Box::new(Record { draft, answer: lane(LaneAnswer::Command(shown)) })))
}

/// The command a lane speaks of.
fn told(state: &State<'_>, id: CommandId, edge: &str) -> Result<CommandShown, Box<Problem>> {
    let fact = state.subject.ok_or_else(problems::unknown_command)?;
    CommandShown::of_fact(fact, edge, state.lanes.fate(id)).ok_or_else(|| {
        Box::new(match fact.body.as_deref() {
            Some(Body::LaneCommanded(_) | Body::LaneModeSet(_)) => problems::not_this_edges(),
            _ => problems::unknown_command(),
        })
    })
}

fn set_mode(prepared: &Prepared<'_>, site: &Site<'_>, state: &State<'_>, set: LaneModeSet) -> Ruling {
    let id = named(prepared);
    // Ranked above what was set before, whatever the clocks showed then: the last word counts.
    let before = set.edges.iter().filter_map(|e| state.lanes.mode_set(e)).map(|m| m.since).max();
    let since =
        before.map_or(prepared.stamp.occurred_at, |t| prepared.stamp.occurred_at.max(t.saturating_add(1)));
    let draft = Draft {
        occurred_at: since,
        command_id: Some(id),
        opening: None,
        plate_tag: None,
        body: Body::LaneModeSet(set.clone()),
    };
    let answer = lane(LaneAnswer::Mode { set, since, central: site.central.clone(), id });
    Ruling::Record(Box::new(Record { draft, answer }))
}

/// The command id of an explanation: each thing is explained once.
pub(super) fn resolve_id(id: CommandId) -> CommandId {
    CommandId::of("passage", "resolve", &id.to_string())
}

fn resolve(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    id: CommandId,
    event_id: Option<&str>,
    staff: StaffFact,
) -> Result<Ruling, Box<Problem>> {
    state.subject.filter(|f| unresolved::can_be(f)).ok_or_else(problems::unknown_passage)?;
    let session = event_id.map(|e| session(state, e)).transpose()?;
    let resolved =
        PassageResolved { subject: id, event_id: session.as_ref().map(|(alias, ..)| alias.clone()), staff };
    let (opening, plate_tag) = session.map_or((None, None), |(_, at, tag)| (Some(at), Some(tag)));
    let at = prepared.stamp.occurred_at;
    let draft = Draft {
        occurred_at: at,
        command_id: Some(resolve_id(id)),
        opening,
        plate_tag,
        body: Body::PassageResolved(resolved.clone()),
    };
    let answer = lane(LaneAnswer::Resolved { resolved, at });
    Ok(Ruling::Record(Box::new(Record { draft, answer })))
}

/// The answer to a request that came before.
pub(super) fn again(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    earlier: &Fact,
) -> Result<Answer, Box<Problem>> {
    let reused = || Box::new(problems::key_reused());
    let answer = match (&prepared.envelope.command, earlier.body.as_deref()) {
        (Command::TellLane { edge_id, order, event_id, .. }, Some(Body::LaneCommanded(b))) => {
            let same = b.edge_id == *edge_id
                && b.order == *order
                && event_id.as_deref().is_none_or(|e| b.event_id.as_deref() == Some(e));
            let id = earlier.header.command_id.unwrap_or_default();
            let shown = CommandShown::of_fact(earlier, edge_id, state.lanes.fate(id));
            LaneAnswer::Command(shown.filter(|_| same).ok_or_else(reused)?)
        }
        (Command::EndLaneCommand { id, edge_id, .. }, Some(Body::LaneCommandEnded(b))) => {
            let mut shown = told(state, *id, edge_id)?;
            shown.fate.ended = Some((earlier.header.occurred_at, b.outcome));
            shown.fate.detail.clone_from(&b.detail);
            LaneAnswer::Command(shown)
        }
        (Command::SetLaneMode { edges, mode, .. }, Some(Body::LaneModeSet(b)))
            if b.edges == *edges && b.mode == *mode =>
        {
            LaneAnswer::Mode {
                set: b.clone(),
                since: earlier.header.occurred_at,
                central: earlier.position().stream.central.clone(),
                id: earlier.header.command_id.unwrap_or_default(),
            }
        }
        (Command::Resolve { event_id, .. }, Some(Body::PassageResolved(b))) => {
            if b.event_id != *event_id {
                return Err(Box::new(problems::wrong_state("it was explained already, in another way")));
            }
            LaneAnswer::Resolved { resolved: b.clone(), at: earlier.header.occurred_at }
        }
        _ => return Err(reused()),
    };
    Ok(lane(answer))
}

/// What the end of commands nobody answered asks for at `now` (this central's clock, ms).
#[must_use]
pub fn over(book: &LaneBook, site: &Site<'_>, now: i64) -> Vec<Draft> {
    let draft = |(c, outcome): (&LaneCommand, LaneOutcome)| Draft {
        occurred_at: crate::clock::occurred(None, None, now, site.clock_offset_ms).occurred_at,
        command_id: Some(CommandId::of("unasked", "lane_command_ended", &c.id.to_string())),
        opening: None,
        plate_tag: None,
        body: Body::LaneCommandEnded(LaneCommandEnded {
            edge_id: c.edge_id.clone(),
            command: c.id,
            outcome,
            detail: None,
        }),
    };
    book.over(site.central, now).into_iter().map(draft).collect()
}
