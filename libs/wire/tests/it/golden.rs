//! Every released form stays readable: the bytes in `tests/golden` never change, new forms get new files.
//! `GOLDEN_WRITE=1 cargo test -p wire` writes files that are not there yet; existing ones are never touched.

use std::path::PathBuf;

use wire::bus::events::Carried;
use wire::bus::trace::TraceContext;
use wire::event::{
    AntiPassbackMode, AntiPassbackReset, Basis, BasisDifference, Body, Credential, Exited, Frame, Header,
    ListEntry, ListKind, OccupancyCorrected, PassSet, PassbackMode, PlateFacts, RightFact, StaffFact,
};
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{
    Beat, BeatEcho, Heartbeat, Hello, HoldingOfYou, Message, PlateAnswer, PlateQuestion, Positions,
    ShortDigest, SyncRequest, SyncResponse,
};
use wire::position::{Position, SeqRange, StreamHoldings};

use crate::sample::{KEY, chain, lost_range, stream};

fn hex(b: &[u8]) -> String {
    b.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(s: &str) -> Vec<u8> {
    let s = s.trim();
    (0..s.len() / 2).map(|i| u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap()).collect()
}

pub(crate) fn golden(name: &str, made: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"));
    if !path.exists() && std::env::var("GOLDEN_WRITE").is_ok() {
        std::fs::write(&path, hex(made) + "\n").unwrap();
    }
    let kept = unhex(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    assert_eq!(hex(&kept), hex(made), "{name}: this release writes other bytes than the golden file");
    kept
}

#[test]
fn event_frames_of_version_1() {
    let frames = chain(&stream(1), 3);
    for (i, f) in frames.iter().enumerate() {
        let kept = golden(&format!("event-v1-{}", i + 1), f.bytes());
        let back = Frame::parse(kept.into()).unwrap();
        assert_eq!(&back, f);
        assert!(Body::of(&back).unwrap().is_some());
    }
    let erased = golden("event-v1-erased", frames[0].erased().bytes());
    let back = Frame::parse(erased.into()).unwrap();
    assert_eq!(back.hash(), frames[0].hash(), "erasing keeps the hash");
    assert_eq!(Body::of(&back), Ok(None));
}

#[test]
fn a_lost_range_of_version_1() {
    let f = lost_range(&stream(1), 1);
    let back = Frame::parse(golden("event-v1-lost_range", f.bytes()).into()).unwrap();
    assert_eq!(back, f);
    let Ok(Some(Body::LostRange(lost))) = Body::of(&back) else { panic!("another body") };
    assert_eq!(lost.range(), SeqRange { stream: stream(3), from: 61, to: 90 });
    assert_eq!((lost.staff.id.as_str(), lost.staff.reason.as_str()), ("s-1", "the disk is gone"));
}

#[test]
fn bodies_of_the_register() {
    let staff = || StaffFact { id: "s1".into(), reason: "vì sao".into() };
    let plate = || PlateFacts {
        raw: "29a 123.45".into(),
        key: "29A12345".into(),
        display: "29A-123.45".into(),
        kind: "car".into(),
        flags: vec![],
    };
    let bodies = [
        Body::ListEntrySet(Box::new(ListEntry {
            id: "list-0000000000000001".into(),
            kind: ListKind::Block,
            plate: plate(),
            lots: vec!["P01".into()],
            valid_from: Some(1_793_000_000_000),
            valid_to: Some(1_793_086_400_000),
            ended: true,
            staff: staff(),
        })),
        Body::AntiPassbackReset(AntiPassbackReset {
            credential: Some(Credential { kind: "card".into(), id: "C-1".into() }),
            plate: Some(plate()),
            staff: staff(),
        }),
        Body::AntiPassbackMode(AntiPassbackMode {
            lot_id: Some("P01".into()),
            pass: Some("p-7".into()),
            mode: PassbackMode::Hard,
            staff: staff(),
        }),
        Body::PassSet(Box::new(PassSet {
            id: "p-7".into(),
            plates: vec![plate()],
            vehicle_class: "car".into(),
            lots: vec!["P01".into()],
            valid_from: 1_793_000_000_000,
            valid_to: 1_795_592_000_000,
            max_inside: 1,
            ended: true,
            staff: staff(),
        })),
        Body::OccupancyCorrected(OccupancyCorrected {
            central: "central-1".into(),
            lot_id: Some("P01".into()),
            vehicle_class: "car".into(),
            delta: -3,
            counted: Some(12),
            staff: staff(),
        }),
    ];
    for (i, body) in bodies.iter().enumerate() {
        let header = Header {
            kind: body.kind(),
            position: Position { stream: stream(1), seq: i as u64 + 1 },
            occurred_at: 1_793_000_000_000,
            prev_hash: Hash32::default(),
            command_id: None,
            opening: None,
            plate_tag: None,
        };
        let name = format!("event-v1-{}", body.kind().name().to_lowercase().replace('_', "-"));
        let frame = Frame::write(header, &[7; 16], &body.encode().unwrap()).unwrap();
        let back = Frame::parse(golden(&name, frame.bytes()).into()).unwrap();
        assert_eq!(
            Body::of(&back),
            Ok(Some(body.clone())),
            "a body of the register needs no opening and no plate"
        );
    }
}

/// An exit under a right: the key is new, bodies without it stay as they were.
#[test]
fn an_exit_with_rights() {
    let right =
        RightFact { id: "p-7".into(), version: Some(12), from: 1_793_000_000_000, to: 1_795_592_000_000 };
    let exit = Exited { rights: vec![right], ..Exited::default() };
    let body = Body::Exit(Box::new(exit));
    let header = Header {
        kind: body.kind(),
        position: Position { stream: stream(1), seq: 1 },
        occurred_at: 1_793_000_000_000,
        prev_hash: Hash32::default(),
        command_id: None,
        opening: None,
        plate_tag: Some(wire::hash::PlateTag::of(KEY, "29A12345")),
    };
    let frame = Frame::write(header, &[7; 16], &body.encode().unwrap()).unwrap();
    let back = Frame::parse(golden("event-v1-exit-with-rights", frame.bytes()).into()).unwrap();
    assert_eq!(Body::of(&back), Ok(Some(body)));
}

/// For whom a charge was made, and what it should have been for another plate: new keys, bodies without them stay as they were.
#[test]
fn charges_of_a_corrected_plate() {
    let tag = |key| wire::hash::PlateTag::of(KEY, key);
    let bodies = [
        (
            "exit-charged-tag",
            Body::Exit(Box::new(Exited { charged_tag: Some(tag("29A12348")), ..Exited::default() })),
        ),
        (
            "basis-difference-plate",
            Body::BasisDifference(BasisDifference {
                basis: Basis {
                    event_id: "central-1_1793000000000_29A12348".into(),
                    entry_time: 1_793_000_000_000,
                },
                plate_tag: Some(tag("29A12345")),
                reason: Some("plate_corrected".into()),
                difference: -25_000,
                ..BasisDifference::default()
            }),
        ),
    ];
    for (i, (name, body)) in bodies.into_iter().enumerate() {
        let header = Header {
            kind: body.kind(),
            position: Position { stream: stream(1), seq: i as u64 + 1 },
            occurred_at: 1_793_000_000_000,
            prev_hash: Hash32::default(),
            command_id: None,
            opening: (i == 1).then(|| Position { stream: stream(1), seq: 1 }),
            plate_tag: Some(tag("29A12345")),
        };
        let frame = Frame::write(header, &[7; 16], &body.encode().unwrap()).unwrap();
        let back = Frame::parse(golden(&format!("event-v1-{name}"), frame.bytes()).into()).unwrap();
        assert_eq!(Body::of(&back), Ok(Some(body)));
    }
}

#[test]
fn mesh_messages_of_protocol_1() {
    let frames = chain(&stream(1), 3);
    let holdings = StreamHoldings {
        stream: stream(1),
        head: 9,
        head_hash: frames[2].hash(),
        gaps: vec![(2, 3), (7, 7)],
        forks: vec![(5, vec![frames[0].hash(), frames[1].hash()])],
    };
    let trace = TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 };
    let messages = [
        Message::Hello(Hello {
            protocol_min: 1,
            protocol_max: 1,
            central: CentralId::new("central-1").unwrap(),
            ledger_process: "6f1c".into(),
            mesh_process: "a0b1".into(),
            holding_of_you: vec![HoldingOfYou {
                incarnation: stream(2).incarnation,
                head: 4,
                head_hash: frames[0].hash(),
            }],
            positions_digest: Hash32::of(&[b"map"]),
            clock: 1_793_000_000_000,
            wire_version: 1,
            projection_version: 1,
        }),
        Message::Heartbeat(Heartbeat {
            n: 3,
            clock: 1_793_000_000_000,
            echo: Some(1_792_999_999_000),
            positions_digest: None,
            ledger_process: Some("6f1c".into()),
        }),
        Message::Events(vec![Carried {
            trace: Some(trace),
            committed_at: 1_793_000_000_001,
            frame: frames[0].bytes().to_vec(),
        }]),
        Message::Positions(Positions {
            whole: true,
            more: false,
            please_answer: true,
            digest: Hash32::of(&[b"map"]),
            streams: vec![holdings],
            brought: false,
        }),
        Message::SyncRequest(SyncRequest {
            id: 8,
            ranges: vec![SeqRange { stream: stream(1), from: 2, to: 3 }],
            max_events: 5000,
        }),
        Message::SyncResponse(SyncResponse {
            id: 8,
            more: false,
            not_held: vec![SeqRange { stream: stream(1), from: 3, to: 3 }],
            page: vec![1, 2, 3],
        }),
        Message::PlateQuestion(PlateQuestion { id: 1, tag: wire::hash::PlateTag::of(KEY, "29A12345") }),
        Message::PlateAnswer(PlateAnswer { id: 1, page: vec![1] }),
        Message::Bye("stopping".into()),
    ];
    for m in &messages {
        let kept = golden(&format!("mesh-v1-{}", m.name().to_lowercase()), &m.encode().unwrap());
        assert_eq!(&Message::decode(&kept).unwrap(), m);
    }
}

#[test]
fn mesh_messages_of_protocol_2() {
    let full = Message::Beat(Beat {
        n: Some(3),
        clock: 1_793_000_000_000,
        please_answer: true,
        echo: Some(BeatEcho { n: 255, held_us: 29_999_123 }),
        positions_digest: Some(ShortDigest::of(&Hash32::of(&[b"map"]))),
        ledger_process: Some("6f1c".into()),
    });
    let bare = Message::Beat(Beat { clock: -5, ..Beat::default() });
    for (name, m) in [("beat", full), ("beat-bare", bare)] {
        let kept = golden(&format!("mesh-v2-{name}"), &m.encode().unwrap());
        assert_eq!(Message::decode(&kept).unwrap(), m);
        let later = [&kept[..], b"later"].concat();
        if name == "beat" {
            assert_eq!(Message::decode(&later).unwrap(), m, "bytes of a later release are left alone");
        }
        for cut in 0..kept.len() {
            let short = Message::decode(&kept[..cut]);
            assert!(short.is_err(), "{cut} bytes: {short:?}");
        }
    }
    let positions = Positions {
        whole: false,
        more: false,
        please_answer: false,
        digest: Hash32::of(&[b"map"]),
        streams: Vec::new(),
        brought: true,
    };
    let kept = golden("mesh-v2-positions-brought", &Message::Positions(positions.clone()).encode().unwrap());
    assert_eq!(Message::decode(&kept).unwrap(), Message::Positions(positions));
}

/// zstd may pack the same events into other bytes in another release: only reading is fixed, and the dictionary with it.
#[test]
fn packed_events_are_read_by_content() {
    let carried =
        |f: &Frame| Carried { trace: None, committed_at: 1_793_000_000_001, frame: f.bytes().to_vec() };
    let events: Vec<Carried> = chain(&stream(1), 3).iter().map(carried).collect();
    let packed = Message::pack_events(&Message::encode_events(&events).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mesh-v2-events-packed.hex");
    if std::env::var("GOLDEN_WRITE").is_ok() && !std::path::Path::new(path).exists() {
        std::fs::write(path, hex(&packed) + "\n").unwrap();
    }
    let kept = unhex(&std::fs::read_to_string(path).unwrap());
    for bytes in [kept, packed] {
        assert_eq!(Message::decode(&bytes).unwrap(), Message::Events(events.clone()));
    }
}

#[test]
fn a_newer_hello_with_more_keys_is_read() {
    let kept =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mesh-v1-hello.hex"))
            .unwrap();
    let mut bytes = unhex(&kept);
    let end = bytes.pop();
    assert_eq!(end, Some(b'}'));
    bytes.extend_from_slice(br#","a_later_key":{"x":1}}"#);
    assert!(matches!(Message::decode(&bytes), Ok(Message::Hello(_))));
}

#[test]
fn a_page_is_read_by_content() {
    // zstd may pack the same content into other bytes in another release: only reading is fixed.
    let frames = chain(&stream(1), 20);
    let (page, n) = wire::page::pack(&frames).unwrap();
    assert_eq!(n, 20);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/page-v1.hex");
    if std::env::var("GOLDEN_WRITE").is_ok() && !std::path::Path::new(path).exists() {
        std::fs::write(path, hex(&page) + "\n").unwrap();
    }
    let kept = unhex(&std::fs::read_to_string(path).unwrap());
    assert_eq!(wire::page::unpack(&kept).unwrap(), frames);
    assert_eq!(wire::page::unpack(&page).unwrap(), frames);
}
