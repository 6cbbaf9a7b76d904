//! Events as a busy lane makes them.

use wire::event::{
    Basis, Body, ClockFacts, EntryOpened, Exited, FeeLineFact, Frame, Header, Kind, PlateFacts, RangeLost,
    RateTableRef, StaffFact,
};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

pub(crate) const KEY: &[u8] = b"golden operator key";

pub(crate) fn stream(n: u8) -> StreamId {
    StreamId {
        central: CentralId::new(&format!("central-{n}")).unwrap(),
        incarnation: Incarnation(0x0123_4567_89ab_cdef_0011_2233_4455_6600 + u128::from(n)),
    }
}

fn plate(n: u64) -> PlateFacts {
    let key = format!("29A{:05}", n % 100_000);
    let display = format!("{}-{}.{}", &key[..3], &key[3..6], &key[6..]);
    PlateFacts { raw: display.clone(), key, display, kind: "car".into(), flags: vec![] }
}

/// A salt or id that does not compress, made from its number.
fn noise(n: u64, what: &str) -> [u8; 16] {
    let h = Hash32::of(&[&n.to_be_bytes(), what.as_bytes()]);
    h.0[..16].try_into().unwrap()
}

pub(crate) fn entry(stream: &StreamId, seq: u64, prev: Hash32) -> Frame {
    let at = 1_793_000_000_000 + i64::try_from(seq).unwrap() * 700;
    let p = plate(seq * 7919);
    let header = Header {
        kind: Kind::EntryPending,
        position: Position { stream: stream.clone(), seq },
        occurred_at: at,
        prev_hash: prev,
        command_id: Some(CommandId(noise(seq, "command"))),
        opening: None,
        plate_tag: Some(PlateTag::of(KEY, &p.key)),
    };
    let body = Body::EntryPending(Box::new(EntryOpened {
        plate: p,
        edge_id: "edge-1".into(),
        lot_id: Some("P01".into()),
        vehicle_class: "car".into(),
        clock: ClockFacts { received_at: at + 42, captured_at: Some(at), skew_ms: Some(12), offset_ms: 0 },
        ..EntryOpened::default()
    }));
    Frame::write(header, &noise(seq, "salt"), &body.encode().unwrap()).unwrap()
}

pub(crate) fn exit(stream: &StreamId, seq: u64, prev: Hash32, opening: &Frame) -> Frame {
    let at = opening.header().occurred_at + 3_600_000;
    let p = plate(opening.header().position.seq * 7919);
    let header = Header {
        kind: Kind::Exit,
        position: Position { stream: stream.clone(), seq },
        occurred_at: at,
        prev_hash: prev,
        command_id: Some(CommandId(noise(seq, "command"))),
        opening: Some(opening.header().position.clone()),
        plate_tag: opening.header().plate_tag,
    };
    let body = Body::Exit(Box::new(Exited {
        plate: p.clone(),
        edge_id: "edge-20".into(),
        lot_id: Some("P05".into()),
        vehicle_class: "car".into(),
        clock: ClockFacts { received_at: at + 40, captured_at: Some(at), skew_ms: Some(-3), offset_ms: 0 },
        basis: Some(Basis {
            event_id: wire::event::event_id(
                &opening.header().position.stream.central,
                opening.header().occurred_at,
                &p.key,
            ),
            entry_time: opening.header().occurred_at,
        }),
        fee: 25_000,
        currency: "VND".into(),
        rate_table: Some(RateTableRef { id: "car-mall".into(), version: 7 }),
        lines: vec![FeeLineFact {
            code: "tier".into(),
            from: Some(opening.header().occurred_at),
            to: Some(at),
            amount: 25_000,
            args: vec![],
        }],
        ..Exited::default()
    }));
    Frame::write(header, &noise(seq, "salt"), &body.encode().unwrap()).unwrap()
}

/// A chain of entries, every third with its exit.
pub(crate) fn chain(stream: &StreamId, n: u64) -> Vec<Frame> {
    let mut out: Vec<Frame> = Vec::new();
    let mut prev = Hash32::default();
    for seq in 1..=n {
        let f = if seq % 3 == 0 {
            let opening = out[out.len() - 2].clone();
            exit(stream, seq, prev, &opening)
        } else {
            entry(stream, seq, prev)
        };
        prev = f.hash();
        out.push(f);
    }
    out
}

/// An operator closes positions 61 to 90 of `stream(3)`.
pub(crate) fn lost_range(stream_of: &StreamId, seq: u64) -> Frame {
    let header = Header {
        kind: Kind::LostRange,
        position: Position { stream: stream_of.clone(), seq },
        occurred_at: 1_793_000_000_000,
        prev_hash: Hash32::default(),
        command_id: Some(CommandId(noise(seq, "command"))),
        opening: None,
        plate_tag: None,
    };
    let lost = stream(3);
    let body = Body::LostRange(RangeLost {
        central: lost.central,
        incarnation: lost.incarnation,
        from: 61,
        to: 90,
        staff: StaffFact { id: "s-1".into(), reason: "the disk is gone".into() },
    });
    Frame::write(header, &noise(seq, "salt"), &body.encode().unwrap()).unwrap()
}
