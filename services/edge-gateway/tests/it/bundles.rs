//! Bundles over HTTP: streamed out, checked whole before anything is stored.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::Value;
use wire::bundle::{Seal, Wanted, Writer};
use wire::bus::bundle::{BundleAsk, BundleReply, StoredPage};
use wire::bus::events::{decode, encode};
use wire::bus::subject::SYNC_BUNDLE;
use wire::event::{Frame, Header, Kind};
use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamHoldings, StreamId};

use crate::harness::{ADMIN, Got, Rig, key, send};

fn stream(central: &str) -> StreamId {
    StreamId { central: CentralId::new(central).unwrap(), incarnation: Incarnation(7) }
}

fn chain(central: &str, n: u64) -> Vec<Frame> {
    let mut prev_hash = Hash32::default();
    let one = |seq| {
        let position = Position { stream: stream(central), seq };
        let (kind, occurred_at) = (Kind::PolicySet, 0);
        let header = Header {
            kind,
            position,
            occurred_at,
            prev_hash,
            command_id: None,
            opening: None,
            plate_tag: None,
        };
        let f = Frame::write(header, &[0; 16], b"{}").unwrap();
        prev_hash = f.hash();
        f
    };
    (1..=n).map(one).collect()
}

/// A file in pieces, as sync hands it out.
fn pieces(exporter: &str) -> Vec<Vec<u8>> {
    let frames = chain(exporter, 12);
    let mut writer = Writer::default();
    let mut out = vec![Writer::head()];
    for part in frames.chunks(5) {
        out.push(writer.page(part).unwrap().0);
    }
    let holdings = StreamHoldings {
        stream: stream(exporter),
        head: 12,
        head_hash: frames[11].hash(),
        gaps: Vec::new(),
        forks: Vec::new(),
    };
    let maker = CentralId::new(exporter).unwrap();
    let (manifest, _) = writer.manifest(maker, 1_793_000_000_000, Wanted::default(), vec![holdings]).unwrap();
    out.push(manifest);
    out.push(Writer::seal(&Seal::OperatorKey { mac: Hash32::default() }).unwrap());
    out
}

/// What sync was asked.
type Asked = Arc<Mutex<Vec<BundleAsk>>>;

/// A stand-in for sync: hands out `central-1`'s file, breaks off after so many pieces, stores what comes.
async fn sync(rig: &Rig, break_off: usize) -> Asked {
    let bus = kit::Bus::connect(&rig.nats.url(), "bundles", &kit::Health::default()).await.unwrap();
    while !bus.is_connected() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut questions = bus.serve(SYNC_BUNDLE, "sync").await.unwrap();
    bus.flush().await;
    let asked = Asked::default();
    let seen = asked.clone();
    tokio::spawn(async move {
        let _bus = bus;
        let file = pieces("central-1");
        while let Some(m) = questions.next().await {
            let ask: BundleAsk = decode(&m.payload).unwrap();
            seen.lock().unwrap().push(ask.clone());
            let reply = match ask {
                BundleAsk::Begin(_) => BundleReply::Begun { id: 5, events: 12, name: "a.pmbundle".into() },
                BundleAsk::Next { part, .. } if part as usize >= break_off => {
                    BundleReply::problem(&wire::http::Problem::new(503, "no_ledger", "Nothing", "away"))
                }
                BundleAsk::Next { part, .. } => {
                    let part = part as usize;
                    BundleReply::Part { bytes: file[part].clone(), last: part + 1 == file.len() }
                }
                BundleAsk::Store { page, .. } => {
                    let n = wire::page::unpack(&page).unwrap().len() as u64;
                    let held = StreamHoldings {
                        stream: stream("central-2"),
                        head: 12,
                        head_hash: Hash32::default(),
                        gaps: vec![(3, 4), (7, 7)],
                        forks: Vec::new(),
                    };
                    BundleReply::Stored(StoredPage {
                        stored: n - 1,
                        known: 1,
                        holdings: vec![held],
                        ..StoredPage::default()
                    })
                }
                BundleAsk::End { .. } | BundleAsk::Learn { .. } => BundleReply::Done,
            };
            m.reply(encode(&reply).unwrap()).await;
        }
    });
    asked
}

const EXPORT: &str = "/api/p2p/bundles";
const IMPORT: &str = "/api/p2p/bundles/import";

async fn import(rig: &Rig, file: Vec<u8>) -> Got {
    let r = rig.request(Method::POST, IMPORT, Some(ADMIN));
    send(r.header("Content-Type", "application/octet-stream").body(file)).await
}

fn stored_pages(asked: &Asked) -> usize {
    asked.lock().unwrap().iter().filter(|a| matches!(a, BundleAsk::Store { .. })).count()
}

#[tokio::test]
async fn a_file_is_streamed_and_the_choice_is_passed_on() {
    let rig = Rig::start().await;
    let asked = sync(&rig, usize::MAX).await;
    let inc = format!("{:032x}", 7);
    let query = format!(
        "?for_central=central-2&central=central-1&from=2026-11-22T08:00:00%2B07:00&range=central-1/{inc}/5-9"
    );
    let r = rig.request(Method::GET, &format!("{EXPORT}{query}"), Some(ADMIN)).send().await.unwrap();
    assert_eq!(r.status(), 200);
    assert_eq!(r.headers()["content-disposition"], "attachment; filename=\"a.pmbundle\"");
    assert_eq!(r.headers()["content-type"], "application/vnd.parkmesh.bundle");
    assert_eq!(r.headers()["parkmesh-bundle-events"], "12");
    assert_eq!(r.bytes().await.unwrap(), pieces("central-1").concat());
    let first = asked.lock().unwrap()[0].clone();
    let BundleAsk::Begin(wanted) = first else { panic!("{first:?}") };
    assert_eq!(wanted.for_central, Some(CentralId::new("central-2").unwrap()));
    assert_eq!((wanted.ranges[0].from, wanted.ranges[0].to, wanted.from.is_some()), (5, 9, true));
    for (query, fault) in [
        ("?for_central=Central", "/for_central invalid_value"),
        ("?from=2026-11-22", "/from no_offset"),
        ("?from=2026-11-22T08:00:00Z&to=2026-11-22T08:00:00Z", "/to out_of_range"),
        ("?range=central-1/5", "/range invalid_value"),
    ] {
        let got = send(rig.request(Method::GET, &format!("{EXPORT}{query}"), Some(ADMIN))).await;
        assert_eq!((got.status, got.faults()), (422, vec![fault.to_owned()]), "{query}");
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_no_answer_and_no_bundle() {
    let rig = Rig::start().await;
    sync(&rig, 2).await;
    let r = rig.request(Method::GET, EXPORT, Some(ADMIN)).send().await.unwrap();
    assert!(
        r.bytes().await.is_err(),
        "the connection breaks, so that nobody takes half a file for a whole one"
    );
}

#[tokio::test]
async fn only_people_export_and_import() {
    let rig = Rig::start().await;
    for (method, path) in [(Method::GET, EXPORT), (Method::POST, IMPORT)] {
        let none = send(rig.request(method.clone(), path, None)).await;
        assert_eq!((none.status, none.code()), (401, "unauthenticated"));
        let edge = send(rig.request(method, path, Some(&key("edge-in")))).await;
        assert_eq!((edge.status, edge.code()), (403, "forbidden"));
    }
}

#[tokio::test]
async fn a_whole_and_trusted_bundle_is_stored_page_by_page() {
    let rig = Rig::start().await;
    let asked = sync(&rig, 0).await;
    let got = import(&rig, pieces("central-2").concat()).await;
    assert_eq!(got.status, 200, "{got:?}");
    let b = &got.body;
    assert_eq!((&b["stored"], &b["known"], &b["bundle"]["events"]), (&9.into(), &3.into(), &12.into()));
    assert_eq!(
        (&b["bundle"]["exporter"], &b["bundle"]["sealed_by"]),
        (&"central-2".into(), &"operator_key".into())
    );
    let gap = |s: &str| Value::from(format!("{}/{s}", stream("central-2")));
    assert_eq!((&b["gaps_left"], &b["gap_events"]), (&vec![gap("3-4"), gap("7")].into(), &3.into()));
    assert_eq!((&b["streams"][0]["from"], &b["streams"][0]["to"]), (&1.into(), &12.into()));
    assert_eq!(stored_pages(&asked), 3);
    let learnt = asked.lock().unwrap().iter().any(|a| matches!(a, BundleAsk::Learn { last: true, .. }));
    assert!(learnt, "what its maker held is told");

    let r = rig.request(Method::POST, IMPORT, Some(ADMIN)).header("Accept", "application/x-ndjson");
    let text = r.body(pieces("central-2").concat()).send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["progress", "progress", "progress", "done"]);
    assert_eq!((&lines[1]["events"], &lines[3]["report"]["stored"]), (&10.into(), &9.into()));
}

#[tokio::test]
async fn nothing_of_a_damaged_or_foreign_bundle_is_stored() {
    let rig = Rig::with(&[("BUNDLE_LIMIT_MIB", "1")]).await;
    let asked = sync(&rig, 0).await;
    let file = pieces("central-2").concat();
    // The pages: what the manifest says of itself is guarded by the seal, and the stand-in for mesh believes every seal.
    let pages: usize = pieces("central-2")[..4].iter().map(Vec::len).sum();
    for at in (0..pages).step_by(11) {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        let got = import(&rig, damaged).await;
        assert_eq!((got.status, got.code()), (422, "bundle_damaged"), "byte {at}");
    }
    let got = import(&rig, file[..file.len() - 40].to_vec()).await;
    assert_eq!((got.status, got.code()), (422, "bundle_damaged"));
    assert!(got.body["detail"].as_str().unwrap().contains("cut short after 3 pages"), "{got:?}");
    let mut later = file.clone();
    later[16] = 9;
    assert_eq!(import(&rig, later).await.code(), "bundle_version");
    let got = import(&rig, pieces("central-9").concat()).await;
    assert_eq!((got.status, got.code()), (422, "bundle_not_trusted"));
    let got = import(&rig, vec![0; 1024 * 1024 + 1]).await;
    assert_eq!((got.status, got.code()), (413, "too_large"));
    let json = rig.request(Method::POST, IMPORT, Some(ADMIN)).header("Content-Type", "application/json");
    assert_eq!(send(json.body("{}")).await.code(), "unsupported_media_type");
    assert_eq!(stored_pages(&asked), 0);
}
