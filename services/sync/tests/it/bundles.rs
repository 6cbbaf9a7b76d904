//! Events by file, between centrals that never see each other.

use std::time::Duration;

use kit::Bus;
use wire::bundle::{Checked, Reader, Record, Seal, Wanted, check, keyed, keyed_fits};
use wire::bus::bundle::{BundleAsk, BundleReply, SealedBy, StoredPage};
use wire::bus::events::{decode, encode};
use wire::bus::query::{MeshQuery, QueryReply, SyncPeers, SyncQuery};
use wire::bus::subject::{MAX_MESSAGE_BYTES, MESH_QUERY, SYNC_BUNDLE};
use wire::http::Problem;
use wire::position::SeqRange;

use crate::site::{Central, Site, until};

const KEY: &[u8] = b"operator";

async fn ask(bus: &Bus, ask: &BundleAsk) -> Result<BundleReply, Problem> {
    let reply = bus.request(SYNC_BUNDLE, encode(ask).unwrap(), Duration::from_secs(20)).await.unwrap();
    assert!(reply.len() <= MAX_MESSAGE_BYTES, "{}", reply.len());
    match decode(&reply).unwrap() {
        BundleReply::Problem(text) => Err(serde_json::from_str(&text).unwrap()),
        reply => Ok(reply),
    }
}

/// Mesh without certificates: seals with the operator's key.
async fn seals(bus: Bus) {
    let mut questions = bus.serve(MESH_QUERY, "mesh").await.unwrap();
    tokio::spawn(async move {
        while let Some(m) = questions.next().await {
            let body = match m.json::<MeshQuery>().unwrap() {
                MeshQuery::SealBundle { manifest } => {
                    serde_json::value::to_raw_value(&Seal::OperatorKey { mac: keyed(KEY, &manifest) })
                }
                _ => serde_json::value::to_raw_value(&SealedBy::OperatorKey),
            };
            m.reply_json(&QueryReply::Ok(body.unwrap())).await;
        }
    });
}

/// Centrals that run, seal and have no links.
async fn islands(of: usize) -> Site {
    let mut site = Site::new(of, 5000).await;
    site.start().await;
    until("all are ready", || site.centrals.iter().all(|c| c.health.missing().is_empty())).await;
    for c in &site.centrals {
        seals(c.bus.clone()).await;
        c.bus.flush().await;
    }
    site
}

async fn export(from: &Central, wanted: Wanted) -> (u64, Vec<u8>) {
    let BundleReply::Begun { id, events, name } = ask(&from.bus, &BundleAsk::Begin(wanted)).await.unwrap()
    else {
        panic!("begun");
    };
    assert!(name.starts_with(from.id.as_str()), "{name}");
    let (mut file, mut part) = (Vec::new(), 0);
    loop {
        let next = BundleAsk::Next { id, part };
        let first = ask(&from.bus, &next).await.unwrap();
        // Its answer was lost: the same again.
        assert_eq!(ask(&from.bus, &next).await.unwrap(), first);
        let BundleReply::Part { bytes, last } = first else { panic!("a piece") };
        file.extend(bytes);
        part += 1;
        if last {
            break;
        }
    }
    ask(&from.bus, &BundleAsk::End { id }).await.unwrap();
    assert!(ask(&from.bus, &BundleAsk::Next { id, part }).await.is_err(), "it is forgotten");
    (events, file)
}

fn whole(file: &[u8]) -> Checked {
    let checked = check(file, |_| ()).unwrap();
    let Seal::OperatorKey { mac } = checked.seal else { panic!("operator's key") };
    assert!(keyed_fits(KEY, &checked.digest, &mac));
    checked
}

async fn import(to: &Central, file: &[u8]) -> StoredPage {
    let m = whole(file).manifest;
    let mut reader = Reader::new(file).unwrap();
    let mut sum = StoredPage::default();
    while let Some(record) = reader.next_record().unwrap() {
        let Record::Page(page) = record else { continue };
        let store = BundleAsk::Store { from: m.exporter.clone(), page };
        let BundleReply::Stored(s) = ask(&to.bus, &store).await.unwrap() else { panic!("stored") };
        sum.stored += s.stored;
        sum.known += s.known;
        assert!(!s.holdings.is_empty());
    }
    let learn = BundleAsk::Learn { from: m.exporter, streams: m.positions, last: true };
    assert_eq!(ask(&to.bus, &learn).await, Ok(BundleReply::Done));
    sum
}

fn for_central(c: &Central) -> Wanted {
    Wanted { for_central: Some(c.id.clone()), ..Wanted::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_never_see_each_other_hold_the_same_after_two_files() {
    let site = islands(2).await;
    let (a, b) = (&site.centrals[0], &site.centrals[1]);
    a.ledger.append(9000);
    b.ledger.append(300);
    let (events, file) = export(a, for_central(b)).await;
    let m = whole(&file).manifest;
    assert_eq!((events, m.events, m.chain_breaks), (9000, 9000, 0), "nothing is known of it: everything");
    assert!(m.pages.len() > 1);
    let got = import(b, &file).await;
    assert_eq!((got.stored, got.known), (9000, 0));
    let again = import(b, &file).await;
    assert_eq!((again.stored, again.known), (0, 9000));
    // The map came with the file: only what the other lacks goes back.
    let (events, back) = export(b, for_central(a)).await;
    assert_eq!(events, 300);
    assert_eq!(import(a, &back).await.stored, 300);
    assert!(site.agreed());
    assert_eq!(export(a, for_central(b)).await.0, 0);
    // And the status knows where the events are.
    let peers: SyncPeers = a.ask(&SyncQuery::Peers).await;
    assert_eq!((peers.held_only_here, peers.peers[0].behind_events), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_holds_what_was_asked_for() {
    let site = islands(2).await;
    let (a, b) = (&site.centrals[0], &site.centrals[1]);
    let log = a.ledger.append(1000);
    let stream = log[0].header().position.stream.clone();
    let range = |from, to| SeqRange { stream: stream.clone(), from, to };
    let runs =
        |file: &[u8]| -> Vec<_> { whole(file).manifest.streams.iter().map(|s| (s.from, s.to)).collect() };
    let some = Wanted { ranges: vec![range(5, 9), range(500, 2000)], ..Wanted::default() };
    assert_eq!(runs(&export(a, some).await.1), [(5, 9), (500, 1000)]);
    let at = |n: usize| Some(log[n].header().occurred_at);
    let window = Wanted { from: at(99), to: at(199), ..Wanted::default() };
    assert_eq!(runs(&export(a, window).await.1), [(100, 199)]);
    let other = Wanted { central: Some(b.id.clone()), ..Wanted::default() };
    assert_eq!(runs(&export(a, other).await.1), []);
    let refused = |wanted| async { ask(&a.bus, &BundleAsk::Begin(wanted)).await.unwrap_err().code };
    assert_eq!(refused(for_central(a)).await, "invalid_fields");
    let nobody = Wanted { for_central: Some("central-9".parse().unwrap()), ..Wanted::default() };
    assert_eq!(refused(nobody).await, "unknown_peer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_store_is_named_and_two_files_at_once_are_enough() {
    let site = islands(2).await;
    let (a, b) = (&site.centrals[0], &site.centrals[1]);
    a.ledger.append(50);
    let (_, file) = export(a, Wanted::default()).await;
    b.ledger.log().broken = true;
    let mut reader = Reader::new(&file[..]).unwrap();
    let Some(Record::Page(page)) = reader.next_record().unwrap() else { panic!("a page") };
    let store = BundleAsk::Store { from: a.id.clone(), page };
    let problem = ask(&b.bus, &store).await.unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (503, "no_ledger"));
    let torn = BundleAsk::Store { from: a.id.clone(), page: vec![1, 2, 3] };
    assert_eq!(ask(&b.bus, &torn).await.unwrap_err().code, "bundle_damaged");
    for _ in 0..2 {
        ask(&a.bus, &BundleAsk::Begin(Wanted::default())).await.unwrap();
    }
    assert_eq!(ask(&a.bus, &BundleAsk::Begin(Wanted::default())).await.unwrap_err().code, "busy");
}
