//! How a request of a lane or a person becomes a command, as a gateway makes it.

use wire::bus::command::{Command, CommandEnvelope, LaneFacts, Seen, SessionAction};
use wire::hash::CommandId;
use wire::http::{Direction, Payment};

use super::ANSWER_MS;

/// The path of openings.
pub const OPEN: &str = "/api/v1/edge/barrier/open";
/// The path of closings.
pub const CLOSE: &str = "/api/v1/edge/barrier/close";
/// The path of suggestions.
pub const DETECT: &str = "/api/edge/detection";
/// The path of acts.
pub const ACT: &str = "/api/parking/sessions/act";
/// The path of rules.
pub const RULES: &str = "/api/parking/policies";

/// The path of ranges given up.
const LOST: &str = "/api/p2p/lost-ranges";
/// The path of rights and counts.
const REGISTER: &str = "/api/parking/rights";

/// The edge of a central's entry or exit lane.
pub fn edge(node: usize, exit: bool) -> String {
    format!("edge-{}-{}", node + 1, if exit { "out" } else { "in" })
}

/// The car park of a central's lanes: every second central has two.
pub fn lot(node: usize, plate: &str) -> Option<String> {
    let second = plate.bytes().map(u32::from).sum::<u32>() % 2 == 1;
    (node % 2 == 1).then(|| if second { "lot-b" } else { "lot-a" }.to_owned())
}

/// A lane's facts, as its configuration has them.
pub fn lane(node: usize, exit: bool, class: &str, plate: &str) -> LaneFacts {
    let mut vehicle_classes = vec!["car".to_owned(), "motorbike".to_owned()];
    vehicle_classes.sort_by_key(|c| c != class);
    LaneFacts {
        edge_id: edge(node, exit),
        direction: if exit { Direction::Exit } else { Direction::Entry },
        lot_id: lot(node, plate),
        vehicle_classes,
        assumed: false,
    }
}

/// An opening, with whatever goes with it.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// What the lane saw.
    pub seen: Seen,
    /// A person stands behind it.
    pub staff: bool,
    /// The entry picked.
    pub event_id: Option<String>,
    /// The card is lost.
    pub lost: bool,
    /// Money taken at the lane.
    pub payment: Option<Payment>,
}

impl Opening {
    /// The command of this lane.
    pub fn command(self, lane: LaneFacts) -> Command {
        Command::Open {
            lane,
            seen: self.seen,
            staff_id: self.staff.then(|| "staff-1".to_owned()),
            pin: None,
            reason: self.staff.then(|| "seen by staff".to_owned()),
            event_id: self.event_id,
            lost_credential: self.lost,
            discounts: Vec::new(),
            payment: self.payment,
            spooled: false,
        }
    }
}

/// An act of a person.
pub fn act(event_id: &str, act: &SessionAction) -> Command {
    Command::Act {
        event_id: event_id.to_owned(),
        act: act.clone(),
        staff_id: "staff-1".to_owned(),
        pin: None,
        reason: "because".to_owned(),
    }
}

/// A new rule of a person.
pub fn rule(window_ms: i64, valid_from: i64) -> Command {
    Command::SetPolicy {
        version: None,
        duplicate_window_ms: window_ms,
        valid_from,
        staff_id: "staff-1".to_owned(),
        pin: None,
        reason: "because".to_owned(),
    }
}

/// The path of a command.
pub fn path(command: &Command) -> &'static str {
    match command {
        Command::Detect { .. } => DETECT,
        Command::Open { .. } => OPEN,
        Command::Close { .. } => CLOSE,
        Command::Act { .. } => ACT,
        Command::SetPolicy { .. } => RULES,
        Command::LoseRange { .. } => LOST,
        _ => REGISTER,
    }
}

/// Who asks: the lane's edge, or a person.
pub fn principal(command: &Command) -> String {
    match command {
        Command::Detect { lane, .. } | Command::Open { lane, .. } | Command::Close { lane, .. } => {
            lane.edge_id.clone()
        }
        _ => "admin".to_owned(),
    }
}

/// The command in its envelope, as the gateway has it at this moment, ms since the epoch by its clock.
pub fn envelope(command: Command, key: &str, received_at: i64) -> CommandEnvelope {
    CommandEnvelope {
        principal: principal(&command),
        path: path(&command).to_owned(),
        idempotency_key: Some(key.to_owned()),
        received_at,
        deadline: received_at + ANSWER_MS,
        degraded: Vec::new(),
        command,
    }
}

/// What a command is known by, once: its key within principal and path. A closing that names its session is known by (edge, way,
/// session, passed); a suggestion by nothing.
pub fn known_by(e: &CommandEnvelope) -> Option<CommandId> {
    match &e.command {
        Command::Detect { .. } => None,
        Command::Close { lane, event_id: Some(event_id), passed, .. } => {
            let way = if lane.direction == Direction::Exit { "exit" } else { "entry" };
            let text = format!("close|{}|{way}|{event_id}|{passed}", lane.edge_id);
            Some(CommandId::of(&e.principal, &e.path, &text))
        }
        _ => Some(CommandId::of(&e.principal, &e.path, e.idempotency_key.as_deref()?)),
    }
}
