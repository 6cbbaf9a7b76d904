//! Documents of the external API: judged, stored, in force, read back after a restart; and the staff they name.

use argon2::password_hash::{PasswordHasher as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::{Value, json};
use wire::bus::command::{Command, CommandReply, SessionAction};
use wire::bus::events::{decode, encode};
use wire::bus::query::LedgerQuery;
use wire::bus::reference::{Origin, PutPart, ReferenceAsk, ReferenceSay};
use wire::bus::subject::LEDGER_REFERENCE;
use wire::http::{Decision, Direction, ReferencePage, SessionDetail};
use wire::id::CentralId;
use wire::reference::{DocumentId, DocumentKind, Held, PART_BYTES, pack, parts_of};

use crate::rig::{Central, PATIENCE, answer, enter, envelope, open};

const HOUR: i64 = 3_600_000;
const CAR_MALL: &str = include_str!("../../../../libs/parking/data/car-mall.json");

async fn ask(c: &Central, ask: &ReferenceAsk) -> ReferenceSay {
    let said = c.bus.request(LEDGER_REFERENCE, encode(ask).unwrap(), PATIENCE).await.unwrap();
    decode(&said).unwrap()
}

async fn put(c: &Central, origin: Origin, packed: &[u8]) -> ReferenceSay {
    let (upload, parts) = (rand::random(), parts_of(packed.len()));
    let mut said = ReferenceSay::More;
    for (part, bytes) in (0..parts).zip(packed.chunks(PART_BYTES)) {
        assert_eq!(said, ReferenceSay::More);
        let put = PutPart { upload, part, parts, origin: origin.clone(), bytes: bytes.to_vec() };
        said = ask(c, &ReferenceAsk::Put(put)).await;
    }
    said
}

async fn publish(c: &Central, kind: DocumentKind, document: &Value) -> ReferenceSay {
    let origin = Origin::Api { kind, etag: Some("\"e1\"".to_owned()), fetched_at: kit::clock::now_ms() };
    put(c, origin, &pack(document.to_string().as_bytes()).unwrap()).await
}

async fn published(c: &Central, kind: DocumentKind, document: &Value) -> Held {
    match publish(c, kind, document).await {
        ReferenceSay::Taken(held) => held,
        other => panic!("{other:?}"),
    }
}

async fn page(c: &Central, document: DocumentKind) -> ReferencePage<Value> {
    c.ask(&LedgerQuery::Reference { document, limit: 500, cursor: None }).await
}

/// Cars at this price for the first two hours.
fn fee_config(version: i64, table: i64, price: i64) -> Value {
    let mut t: Value = serde_json::from_str(CAR_MALL).unwrap();
    t["version"] = json!(table);
    t["collections"][0]["lines"][0]["value"] = json!(price);
    json!({"version": version, "items": [t]})
}

fn hash(pin: &str) -> String {
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    let salt = SaltString::from_b64("c2FsdHNhbHRzYWx0").unwrap();
    cheap.hash_password(pin.as_bytes(), &salt).unwrap().to_string()
}

fn staff(version: i64) -> Value {
    let member = |id: &str, role: &str, pin: &str| json!({"id": id, "name": "Nguyễn Văn An", "role": role, "pin_hash": hash(pin), "active": id != "gone"});
    json!({"version": version, "items": [
        member("an", "attendant", "1111"), member("su", "supervisor", "2222"), member("gone", "operator", "3333")]})
}

/// The car leaves, with somebody of the staff.
async fn leave(c: &Central, plate: &str, staff: Option<(&str, Option<&str>)>) -> CommandReply {
    let mut e = open("edge-3", Direction::Exit, plate, None, None);
    if let Command::Open { staff_id, pin, reason, .. } = &mut e.command {
        *staff_id = staff.map(|(id, _)| id.to_owned());
        *pin = staff.and_then(|(_, p)| p.map(str::to_owned));
        *reason = staff.map(|_| "no ticket".to_owned());
    }
    c.command(&e).await.unwrap()
}

/// Status, code and field of a refusal.
fn refusal(reply: CommandReply) -> (u16, String, String) {
    match reply {
        CommandReply::Refused(p) => {
            (p.status, p.code, p.errors.first().map(|e| e.field.clone()).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

fn refused(status: u16, code: &str) -> (u16, String, String) {
    (status, code.to_owned(), String::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_prices_who_enters_under_it_and_survives_a_restart() {
    let mut c = Central::start("central-1").await;
    assert_eq!(page(&c, DocumentKind::RateTables).await.source, "built_in");
    let now = kit::clock::now_ms();
    enter(&c, "edge-1", "29A-111.11", now - HOUR).await;
    let held = published(&c, DocumentKind::RateTables, &fee_config(4, 8, 31_000)).await;
    assert_eq!((held.id.version, held.fetched_by.as_str()), (4, "central-1"));
    c.restart().await;
    let (d, _): (Decision, bool) = answer(leave(&c, "29A-111.11", None).await);
    let table = d.session.unwrap().rate_table.unwrap();
    assert_eq!((d.fee, table.id.as_str(), table.version), (Some(31_000), "car-mall", 8));
    let p = page(&c, DocumentKind::RateTables).await;
    assert_eq!((p.version, p.source.as_str(), p.etag.as_deref()), (Some(4), "external_api", Some("\"e1\"")));
    let versions: Vec<_> =
        p.items.iter().map(|t| (t["id"].clone(), t["version"].clone(), t["source"].clone())).collect();
    assert_eq!(versions[0], (json!("car-mall"), json!(8), json!("external_api")));
    assert!(versions.contains(&(json!("moto-city"), json!(1), json!("built_in"))));
    assert_eq!(c.status().await.reference, [held.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_document_changes_nothing() {
    let c = Central::start("central-1").await;
    let first = published(&c, DocumentKind::RateTables, &fee_config(4, 8, 31_000)).await;
    for (document, field, code) in [
        (fee_config(4, 9, 33_000), "/version", "not_raised"),
        (fee_config(3, 9, 33_000), "/version", "not_raised"),
        (fee_config(5, 8, 33_000), "/items/0/version", "not_raised"),
        (fee_config(5, 9, -1), "/items/0/collections/0/lines/0/value", "out_of_range"),
        (fee_config(5, 9, 36_000), "/items/0/legal_ceiling/limits/0", "legal_ceiling"),
        (json!({"version": 5}), "/items", "missing"),
    ] {
        let ReferenceSay::Refused(errors) = publish(&c, DocumentKind::RateTables, &document).await else {
            panic!("{document} was taken")
        };
        assert_eq!((errors[0].field.as_str(), errors[0].code.as_str()), (field, code));
    }
    // The same again is no news.
    assert_eq!(published(&c, DocumentKind::RateTables, &fee_config(4, 8, 31_000)).await, first);
    assert_eq!(page(&c, DocumentKind::RateTables).await.version, Some(4));
    let garbage =
        put(&c, Origin::Api { kind: DocumentKind::Staff, etag: None, fetched_at: 1 }, b"no zstd").await;
    assert!(matches!(garbage, ReferenceSay::Refused(_)), "{garbage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peers_document_is_taken_when_it_is_better_and_is_what_it_is_said_to_be() {
    let (a, b) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    let passes: Vec<Value> = (0..10_000)
        .map(|n| {
            json!({"id": format!("pass-{n}"), "plates": [format!("29A-{:03}.{:02}", n / 100, n % 100), format!("30F{:05}", n * 7 % 100_000)],
                "vehicle_class": "car", "lots": ["P01"], "valid_from": "2026-11-01T00:00:00+07:00",
                "valid_to": "2026-12-01T00:00:00+07:00", "max_inside": 1})
        })
        .collect();
    let held = published(&a, DocumentKind::Subscriptions, &json!({"version": 9, "items": passes})).await;
    let mut packed = Vec::new();
    for part in 0..held.parts {
        match ask(&a, &ReferenceAsk::Read { document: held.id, part }).await {
            ReferenceSay::Part(bytes) => packed.extend(bytes),
            other => panic!("{other:?}"),
        }
    }
    let unknown = DocumentId { version: 8, ..held.id };
    assert_eq!(ask(&a, &ReferenceAsk::Read { document: unknown, part: 0 }).await, ReferenceSay::NotHeld);
    let peer: CentralId = "central-1".parse().unwrap();
    let lie = Held { id: unknown, ..held.clone() };
    let said = put(&b, Origin::Peer { peer: peer.clone(), held: lie }, &packed).await;
    assert!(matches!(said, ReferenceSay::Refused(_)), "{said:?}");
    assert_eq!(
        put(&b, Origin::Peer { peer, held: held.clone() }, &packed).await,
        ReferenceSay::Taken(held.clone())
    );
    let p = page(&b, DocumentKind::Subscriptions).await;
    assert_eq!((p.version, p.source.as_str(), p.came_from.as_deref()), (Some(9), "peer", Some("central-1")));
    assert_eq!((p.total, p.items.len()), (10_000, 500));
    assert_eq!(p.items[0]["plates"][0], "29A00000");
    let next =
        LedgerQuery::Reference { document: DocumentKind::Subscriptions, limit: 500, cursor: p.next_cursor };
    let p: ReferencePage<Value> = b.ask(&next).await;
    assert_eq!(p.items[0]["id"], "pass-500");
    // Of staff and passes an older one is not stored, and not refused either.
    let older = published(&b, DocumentKind::Staff, &staff(5)).await;
    let packed = pack(&serde_json::to_vec(&staff(4)).unwrap()).unwrap();
    let id = DocumentId { kind: DocumentKind::Staff, version: 4, hash: sha(&staff(4)) };
    let held = Held { id, parts: 1, fetched_at: 1, fetched_by: "central-1".parse().unwrap() };
    let said = put(&b, Origin::Peer { peer: "central-1".parse().unwrap(), held }, &packed).await;
    assert_eq!(said, ReferenceSay::Taken(older));
}

fn sha(document: &Value) -> wire::hash::Hash32 {
    use sha2::Digest as _;
    wire::hash::Hash32(sha2::Sha256::digest(serde_json::to_vec(document).unwrap()).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_are_who_they_say_and_may_what_their_role_may() {
    let c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let (an, su) = (Some(("an", Some("1111"))), Some(("su", Some("2222"))));
    // Without a list anybody with a reason is taken, and marked.
    let (d, _): (Decision, bool) = answer(leave(&c, "29A-000.01", Some(("who", None))).await);
    assert!(d.session.unwrap().flags.contains(&"staff_unverified".to_owned()));
    published(&c, DocumentKind::Staff, &staff(1)).await;
    for (who, want) in [
        (("an", None), (422, "invalid_fields".to_owned(), "/pin".to_owned())),
        (("nobody", None), (422, "invalid_fields".to_owned(), "/pin".to_owned())),
        (("nobody", Some("1111")), refused(403, "unknown_staff")),
        (("gone", Some("3333")), refused(403, "unknown_staff")),
        (("an", Some("2222")), refused(403, "wrong_pin")),
    ] {
        assert_eq!(refusal(leave(&c, "29A-000.02", Some(who)).await), want, "{who:?}");
    }
    let (d, _): (Decision, bool) = answer(leave(&c, "29A-000.02", an).await);
    let session = d.session.unwrap();
    assert!(d.recorded && !session.flags.contains(&"staff_unverified".to_owned()), "{session:?}");

    enter(&c, "edge-1", "29A-000.03", now - HOUR).await;
    let (d, _): (Decision, bool) = answer(leave(&c, "29A-000.03", None).await);
    let waive = |who: Option<(&str, Option<&str>)>| {
        let (staff_id, pin) = who.unwrap();
        let act = Command::Act {
            event_id: d.event_id.clone().unwrap(),
            act: SessionAction::Waive { amount: 5_000 },
            staff_id: staff_id.to_owned(),
            pin: pin.map(str::to_owned),
            reason: "rain".to_owned(),
        };
        envelope("admin", "sessions/waive", None, act)
    };
    assert_eq!(refusal(c.command(&waive(an)).await.unwrap()), refused(403, "role_insufficient"));
    let (s, _): (SessionDetail, bool) = answer(c.command(&waive(su)).await.unwrap());
    assert_eq!(s.session.fee, Some(20_000));
    // A list with nobody on it is no list.
    published(&c, DocumentKind::Staff, &json!({"version": 2, "items": []})).await;
    let (d, _): (Decision, bool) = answer(leave(&c, "29A-000.04", Some(("who", None))).await);
    assert!(d.recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_and_nobody_else_does() {
    let c = Central::start("central-1").await;
    published(&c, DocumentKind::Staff, &staff(1)).await;
    for n in 0..5 {
        let said = refusal(leave(&c, "29A-000.05", Some(("an", Some("0000")))).await);
        assert_eq!(said, refused(403, "wrong_pin"), "guess {n}");
    }
    // Also the right one is not looked at any more.
    let CommandReply::Refused(p) = leave(&c, "29A-000.05", Some(("an", Some("1111")))).await else {
        panic!("taken")
    };
    assert_eq!((p.status, p.code.as_str()), (429, "pin_throttled"));
    assert!(p.retry_after_s.is_some_and(|s| (1..=15).contains(&s)), "{p:?}");
    let (d, _): (Decision, bool) = answer(leave(&c, "29A-000.05", Some(("su", Some("2222")))).await);
    assert!(d.recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_late_is_recorded_whoever_it_was() {
    let c = Central::start("central-1").await;
    published(&c, DocumentKind::Staff, &staff(1)).await;
    let now = kit::clock::now_ms();
    let mut e = open("edge-3", Direction::Exit, "29A-000.06", Some(now - HOUR), None);
    if let Command::Open { seen, staff_id, pin, reason, .. } = &mut e.command {
        seen.sent_at = Some(now);
        (*staff_id, *pin, *reason) = (Some("gone".into()), Some("9".into()), Some("fire".into()));
    }
    let (d, _): (Decision, bool) = answer(c.command(&e).await.unwrap());
    assert_eq!(d.barrier, wire::http::BarrierWish::KeepClosed);
    assert!(d.recorded && d.session.unwrap().flags.contains(&"staff_unverified".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pin_and_no_hash_lies_in_the_database() {
    let c = Central::start("central-1").await;
    published(&c, DocumentKind::Staff, &staff(1)).await;
    answer::<Decision>(leave(&c, "29A-000.07", Some(("su", Some("2222")))).await);
    let mut db = c.postgres.connect().await;
    let told: Vec<String> = sqlx::query_scalar(
        "select encode(frame, 'escape') from events union all select body from idempotency union all select event_id from history",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert!(told.iter().any(|t| t.contains("su")), "the staff id is there");
    assert!(!told.iter().any(|t| t.contains("2222") || t.contains("argon2")));
    let shown = serde_json::to_string(&page(&c, DocumentKind::Staff).await).unwrap();
    assert!(shown.contains("Nguyễn Văn An") && !shown.contains("argon2") && !shown.contains("pin"));
}
