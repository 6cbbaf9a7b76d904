//! Goldens of the kinds and messages that no other golden shows, and a look whether any is left without one: an older release must be
//! able to read what this one writes, and this one what was written before it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wire::audit::{
    AuditAbout, AuditAnswer, AuditDigests, AuditFound, AuditQuestion, ChunkDigest, Cut, Money, SiteDigest,
    Tally,
};
use wire::event::{
    BackedOut, Body, ClockFacts, ClockOffset, Confirmed, Frame, Header, Kind, PlateCorrected, PlateFacts,
    PolicyRule, PolicySet, PriceSet, RecordedPayment, Reopened, SoftClosed, StaffFact, Uncollected, Voided,
    Waived,
};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::id::CentralId;
use wire::mesh::{BadMessage, Message};
use wire::position::Position;
use wire::reference::{DocumentId, DocumentKind, Held, ReferenceAnswer, ReferenceHeld, ReferenceQuestion};

use crate::golden::golden;
use crate::sample::{KEY, stream};

const AT: i64 = 1_793_000_000_000;

fn staff() -> StaffFact {
    StaffFact { id: "anna".into(), reason: "bảng giá cũ".into() }
}

fn of_sessions() -> Vec<Body> {
    let clock = ClockFacts { received_at: AT + 40, captured_at: Some(AT), skew_ms: Some(-3), offset_ms: 0 };
    let confirmed = |by: &str| Confirmed { edge_id: "edge-1".into(), clock: clock.clone(), by: by.into() };
    let backed_out = |by: &str| BackedOut { edge_id: "edge-3".into(), clock: clock.clone(), by: by.into() };
    let plate = PlateFacts {
        raw: "29a12346".into(),
        key: "29A12346".into(),
        display: "29A-123.46".into(),
        kind: "car".into(),
        flags: vec!["corrected".into()],
    };
    vec![
        Body::EntryConfirmed(confirmed("loop")),
        Body::EntryAbandoned(backed_out("timeout")),
        Body::ExitConfirmed(confirmed("assumed")),
        Body::ExitAbandoned(backed_out("reversed")),
        Body::PlateCorrected(PlateCorrected { plate, staff: staff() }),
        Body::Voided(Voided { staff: staff() }),
        Body::Waived(Waived { amount: 25_000, staff: staff() }),
        Body::PriceSet(PriceSet { fee: 40_000, staff: staff() }),
        Body::SoftClosed(SoftClosed { staff: staff() }),
        Body::Reopened(Reopened { staff: staff() }),
        Body::Payment(RecordedPayment {
            method: "bank_qr".into(),
            amount: 25_000,
            reference: Some("FT-1".into()),
            staff: Some(staff()),
        }),
        Body::Uncollected(Uncollected { amount: 5_000, staff: staff() }),
    ]
}

fn of_rules() -> Vec<Body> {
    vec![
        Body::PolicySet(PolicySet {
            version: 2,
            rule: PolicyRule { duplicate_window_ms: 90_000 },
            valid_from: AT,
            staff: staff(),
        }),
        Body::ClockOffset(ClockOffset {
            offset_ms: 7_200_000,
            applied_ms: -12,
            incarnation: stream(1).incarnation,
            from_seq: 4,
            to_seq: 9,
            measured_at: AT,
            peers: 8,
        }),
    ]
}

#[test]
fn kinds_of_sessions_and_rules_of_version_1() {
    for (i, body) in of_sessions().into_iter().chain(of_rules()).enumerate() {
        let of_session = body.kind().is_of_vehicle();
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
        let kept = golden(&format!("event-v1-kind-{:02}", body.kind().code()), frame.bytes());
        let back = Frame::parse(kept.into()).unwrap();
        assert_eq!(Body::of(&back), Ok(Some(body)), "{}", back.header().kind);
    }
}

fn tally(n: u64) -> Tally {
    let money = Money { charged: 25_000, waived: 5_000, paid: 20_000, differences: -1_000 };
    Tally { events: n, erased: 1, places: u64::MAX - n, hashes: [n, 2, 3, u64::MAX], money }
}

/// Every shape of a question and an answer, not one of each type only: their numbers are on the wire.
fn of_audit_and_reference() -> Vec<(&'static str, Message)> {
    let site = CentralId::new("central-1").unwrap();
    let cuts = vec![Cut { incarnation: stream(1).incarnation, to: 1_024 }];
    let question = |about| Message::AuditQuestion(AuditQuestion { id: 7, about });
    let answer = |found| Message::AuditAnswer(AuditAnswer { id: 7, found });
    let of = |kind| DocumentId { kind, version: 12, hash: Hash32::of(&[b"document"]) };
    let held = |kind| Held { id: of(kind), parts: 2, fetched_at: AT, fetched_by: site.clone() };
    let documents = DocumentKind::ALL.into_iter().map(held).collect();
    let chunk = ChunkDigest { incarnation: stream(1).incarnation, chunk: 2, tally: tally(3) };
    let sites = vec![SiteDigest { site: site.clone(), cuts: cuts.clone(), tally: tally(9) }];
    let position = Position { stream: stream(1), seq: 5 };
    let part = |bytes| {
        Message::ReferenceAnswer(ReferenceAnswer { document: of(DocumentKind::Staff), part: 1, bytes })
    };
    vec![
        ("", Message::AuditDigests(AuditDigests { sites })),
        ("-days", question(AuditAbout::Days { site: site.clone(), cuts: cuts.clone() })),
        ("-chunks", question(AuditAbout::Chunks { site: site.clone(), cuts, days: vec![20_751, 20_752] })),
        ("-events", question(AuditAbout::Events { stream: stream(1), chunk: 2 })),
        ("-frames", question(AuditAbout::Frames { positions: vec![position] })),
        ("-unknown", answer(AuditFound::Unknown)),
        ("-days", answer(AuditFound::Days(vec![(20_751, tally(4))]))),
        ("-chunks", answer(AuditFound::Chunks(vec![chunk]))),
        ("-events", answer(AuditFound::Events(vec![(5, Hash32::of(&[b"event"]))]))),
        ("-frames", answer(AuditFound::Frames(vec![1, 2, 3]))),
        ("", Message::ReferenceHeld(ReferenceHeld { documents })),
        (
            "",
            Message::ReferenceQuestion(ReferenceQuestion { document: of(DocumentKind::RateTables), part: 1 }),
        ),
        ("", part(Some(vec![4, 5, 6].into()))),
        ("-gone", part(None)),
    ]
}

#[test]
fn audit_and_reference_messages_of_protocol_1() {
    for (shape, message) in of_audit_and_reference() {
        let name = format!("mesh-v1-{}{shape}", message.name().to_lowercase());
        let kept = golden(&name, &message.encode().unwrap());
        assert_eq!(Message::decode(&kept).unwrap(), message, "{name}");
    }
}

/// The golden files whose name begins so, as bytes.
fn goldens(beginning: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let named = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(beginning);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths.filter(|path| named(path)).map(|path| fs::read_to_string(path).unwrap());
    let byte = |text: &str, at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    texts.map(|text| (0..text.trim().len()).step_by(2).map(|at| byte(&text, at)).collect()).collect()
}

#[test]
fn every_kind_has_a_golden_and_every_golden_is_read() {
    let mut seen = BTreeSet::new();
    for bytes in goldens("event-v1-") {
        let frame = Frame::parse(bytes.into()).unwrap();
        Body::of(&frame).unwrap();
        seen.insert(frame.header().kind);
    }
    let missing: Vec<Kind> = Kind::ALL.iter().filter(|kind| !seen.contains(kind)).copied().collect();
    assert!(missing.is_empty(), "kinds without a golden file: {missing:?}");
}

#[test]
fn every_message_has_a_golden_and_every_golden_is_read() {
    let messages = goldens("mesh-v");
    let seen: BTreeSet<u8> = messages.iter().map(|bytes| bytes[0]).collect();
    for bytes in &messages {
        Message::decode(bytes).unwrap();
    }
    // A type that exists and has no golden is any number that is not refused as unknown.
    let known = (0..=u8::MAX).filter(|n| !matches!(Message::decode(&[*n]), Err(BadMessage::UnknownType(_))));
    let missing: Vec<u8> = known.filter(|n| !seen.contains(n)).collect();
    assert!(missing.is_empty(), "types without a golden file: {missing:?}");
}
