//! A suggestion: what `open` would do now. Changes no session, asks no peer.

use wire::bus::command::Command;
use wire::http::{
    BarrierWish, Detection, DetectionLane, Direction, LaneDecision, PlateView, Problem, Suggestion,
};

use super::answer::{Answer, DecisionAnswer, DetectionAnswer};
use super::lane::Ask;
use super::ruling::Ruling;
use super::state::State;
use super::{entry, exit};
use crate::plate::PlateKey;

pub(super) fn decide(ask: Ask<'_>) -> Result<Ruling, Box<Problem>> {
    debug_assert!(matches!(ask.prepared.envelope.command, Command::Detect { .. }));
    let state = State { peers_asked: true, ..*ask.state };
    let ask = Ask { state: &state, ..ask };
    let ruling = match ask.lane.direction {
        Direction::Entry => entry::decide(&ask),
        Direction::Exit => exit::decide(&ask)?,
    };
    let (answer, would_record) = match ruling {
        Ruling::Record(r) => (r.answer, true),
        Ruling::Answer(a) => (*a, false),
        other => return Ok(other),
    };
    let Answer::Decision(would) = answer else { return Ok(Ruling::Answer(Box::new(answer))) };
    let detection = Detection {
        observation_id: format!("obs-{:016x}", ask.prepared.dice.0),
        plate: PlateView {
            raw: ask.read.raw.clone(),
            key: ask.read.key.as_ref().map(PlateKey::to_string),
            display: ask.read.display.clone(),
            kind: ask.read.kind.as_str().to_owned(),
            flags: ask.read.flags.iter().map(|f| f.as_str().to_owned()).collect(),
        },
        lane: DetectionLane {
            id: ask.lane.edge_id.clone(),
            lane_type: match ask.lane.direction {
                Direction::Entry => "entry",
                Direction::Exit => "exit",
            }
            .to_owned(),
        },
        suggestion: Suggestion { decision: suggested(&would, would_record), reason: would.reason.to_owned() },
        session: None,
        quote: None,
    };
    let answer = DetectionAnswer { detection, row: would.row.clone(), price: would.price };
    Ok(Ruling::Answer(Box::new(Answer::Detection(Box::new(answer)))))
}

fn suggested(would: &DecisionAnswer, would_record: bool) -> LaneDecision {
    let opens = would_record || would.barrier == BarrierWish::Open;
    if opens { LaneDecision::Open } else { would.decision }
}
