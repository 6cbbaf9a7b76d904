//! Events about lanes: their bytes for ever.

use wire::event::{
    Body, ClockFacts, Frame, Header, LaneCommandEnded, LaneCommandSent, LaneCommanded, LaneMode, LaneModeSet,
    LaneOrder, LaneOutcome, PassageResolved, StaffFact, UnopenedPassage,
};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::http::Direction;
use wire::position::Position;

use crate::golden::golden;
use crate::sample::{KEY, stream};

const AT: i64 = 1_793_000_000_000;

fn staff() -> StaffFact {
    StaffFact { id: "anna".into(), reason: "the driver lost the ticket".into() }
}

fn bodies() -> Vec<Body> {
    let (edge_id, command) = ("edge-3".to_owned(), CommandId([7; 16]));
    vec![
        Body::LaneCommanded(LaneCommanded {
            edge_id: edge_id.clone(),
            order: LaneOrder::Open,
            expires_at: AT + 10_000,
            event_id: Some("central-1_1793000000000_29A12345".into()),
            staff: staff(),
        }),
        Body::LaneCommandSent(LaneCommandSent { edge_id: edge_id.clone(), command }),
        Body::LaneCommandEnded(LaneCommandEnded {
            edge_id: edge_id.clone(),
            command,
            outcome: LaneOutcome::NoAnswer,
            detail: Some("arm fault".into()),
        }),
        Body::LaneModeSet(LaneModeSet {
            edges: vec!["edge-1".into(), edge_id.clone()],
            mode: LaneMode::Emergency,
            staff: staff(),
        }),
        Body::UnopenedPassage(UnopenedPassage {
            edge_id,
            lot_id: Some("P01".into()),
            direction: Direction::Exit,
            clock: ClockFacts {
                received_at: AT + 40,
                captured_at: Some(AT),
                skew_ms: Some(-3),
                offset_ms: 0,
            },
            tailgate: true,
            told: true,
            mode: LaneMode::HeldOpen,
            event_id: None,
        }),
        Body::PassageResolved(PassageResolved { subject: command, event_id: None, staff: staff() }),
    ]
}

#[test]
fn events_about_lanes_of_version_1() {
    for (i, body) in bodies().into_iter().enumerate() {
        // Some are a session's, most are nobody's.
        let of_session = i == 0;
        let header = Header {
            kind: body.kind(),
            position: Position { stream: stream(1), seq: 1 + i as u64 },
            occurred_at: AT,
            prev_hash: Hash32::default(),
            command_id: Some(CommandId([9; 16])),
            opening: of_session.then(|| Position { stream: stream(2), seq: 5 }),
            plate_tag: of_session.then(|| PlateTag::of(KEY, "29A12345")),
        };
        let frame = Frame::write(header, &[i as u8; 16], &body.encode().unwrap()).unwrap();
        let kept = golden(&format!("event-v1-lane-{}", body.kind().code()), frame.bytes());
        let back = Frame::parse(kept.into()).unwrap();
        assert_eq!(Body::of(&back), Ok(Some(body)), "{}", back.header().kind);
        assert!(back.header().kind.is_of_lane());
    }
}
