//! `POST /api/p2p/bundles/import`: takes a bundle. Nothing is stored before all of it was checked and its seal is trusted.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use wire::bundle::{BadBundle, Checked, MEDIA_TYPE, Manifest, Reader, Record, check};
use wire::bus::bundle::{BundleAsk, BundleReply, BundleTrust, StoredPage};
use wire::bus::query::MeshQuery;
use wire::hash::Hash32;
use wire::http::{BundleImport, BundleStream, BundleView};
use wire::position::{StreamHoldings, StreamId};

use crate::ask;
use crate::body;
use crate::bundles::from_start;
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::{Answer, Refused};

/// A page waits behind live traffic, and for a ledger that restarts.
const PAGE: Duration = Duration::from_secs(120);
/// Pages read ahead.
const AHEAD: usize = 2;
/// Streams of a map in one message.
const MAP_STREAMS: usize = 500;
/// Streams and gaps listed at most.
const LISTED_STREAMS: usize = 500;
const LISTED_GAPS: usize = 100;
/// Lines of progress on their way to a client.
const LINES: usize = 16;

/// Take a bundle
///
/// The body is the file. First all of it is checked: every page against the manifest, the seal against the operator's CA, its maker
/// against the configured peers; a damaged, unsigned or foreign one is refused whole. Then its events are stored behind live
/// traffic, with their origin. Events that are held already are left alone: importing a bundle again, or one that broke off, does no
/// harm. With `Accept: application/x-ndjson` the answer is a line of JSON per step: `{"event": "progress" | "done" | "failed", …}`.
#[utoipa::path(post, path = "/p2p/bundles/import", tag = "mesh",
    request_body(content = Vec<u8>, description = "The file", content_type = "application/vnd.parkmesh.bundle"),
    responses((status = 200, description = "What became of its events", body = BundleImport), Problems))]
pub(crate) async fn import(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let room = match admit(&gw, &caller, &head.headers) {
        Ok(room) => room,
        Err(refused) => {
            body::discard(Request::from_parts(head, body)).await;
            return Err(refused);
        }
    };
    let file = gw.bundles().spool(body).await?;
    let (file, checked, trust) = examine(&gw, file).await.inspect_err(|refused| {
        tracing::warn!(code = %refused.problem().code, why = %refused.problem().detail, "a bundle was refused");
        gw.metrics().bundle("refused");
    })?;
    let job = Job { gw, checked, trust, file, _room: room };
    if wants_lines(&head.headers) {
        let (tx, rx) = mpsc::channel(LINES);
        tokio::spawn(job.tell(tx));
        let lines = ReceiverStream::new(rx).map(Ok::<_, std::convert::Infallible>);
        return Ok(
            ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
        );
    }
    let done = job.run(None).await?;
    Ok(ask::json(&done))
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    accept.is_some_and(|a| a.contains("application/x-ndjson"))
}

fn admit(gw: &Gateway, caller: &Caller, headers: &HeaderMap) -> Result<OwnedSemaphorePermit, Refused> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if declared.and_then(|v| v.parse::<u64>().ok()).is_some_and(|n| n > gw.bundles().limit()) {
        return Err(gw.bundles().too_large());
    }
    let kind = body::media_type(headers);
    if kind.is_some_and(|t| t == "application/json" || t.starts_with("multipart/")) {
        return Err(Refused::new("unsupported_media_type", format!("send the file itself as {MEDIA_TYPE}")));
    }
    caller.must_be_person()?;
    let room = gw.bundles().room().clone().try_acquire_owned();
    room.map_err(|_| Refused::retry("busy", 10, "another bundle is being taken"))
}

fn refuse(e: &BadBundle) -> Refused {
    match e {
        BadBundle::Io(e) => {
            tracing::error!(error = %e, "an upload cannot be read back");
            Refused::new("internal", "the upload cannot be read back")
        }
        BadBundle::Version(_) => Refused::new("bundle_version", format!("the file: {e}")),
        _ => Refused::new("bundle_damaged", format!("the file: {e}")),
    }
}

/// Whole, sealed and trusted, or refused.
async fn examine(gw: &Gateway, file: File) -> Result<(File, Checked, BundleTrust), Refused> {
    let read = move || {
        let whole = from_start(&file).map_err(BadBundle::Io).and_then(|source| check(source, |_| ()));
        (file, whole)
    };
    let (file, whole) =
        tokio::task::spawn_blocking(read).await.map_err(|e| Refused::new("internal", e.to_string()))?;
    let checked = whole.map_err(|e| refuse(&e))?;
    let question = MeshQuery::TrustBundle {
        exporter: checked.manifest.exporter.clone(),
        created_at: checked.manifest.created_at,
        manifest: checked.digest,
        seal: Box::new(checked.seal.clone()),
    };
    let trust = ask::read(&gw.mesh(&question).await?, "no_mesh")?;
    Ok((file, checked, trust))
}

/// Reads the pages once more, each as the manifest names it.
fn pages(file: &File, manifest: &Manifest, out: &mpsc::Sender<Result<Vec<u8>, BadBundle>>) {
    let read = || -> Result<(), BadBundle> {
        let mut reader = Reader::new(from_start(file).map_err(BadBundle::Io)?)?;
        for (index, entry) in manifest.pages.iter().enumerate() {
            let Some(Record::Page(page)) = reader.next_record()? else {
                return Err(BadBundle::OtherPage(index));
            };
            if Hash32::of(&[&page]) != entry.sha256 {
                return Err(BadBundle::OtherPage(index));
            }
            if out.blocking_send(Ok(page)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    };
    if let Err(e) = read() {
        drop(out.blocking_send(Err(e)));
    }
}

type Lines = mpsc::Sender<Bytes>;

fn line(value: &serde_json::Value) -> Bytes {
    format!("{value}\n").into()
}

/// A trusted bundle that is being stored.
struct Job {
    gw: Gateway,
    checked: Checked,
    trust: BundleTrust,
    file: File,
    _room: OwnedSemaphorePermit,
}

impl Job {
    /// Stores it and tells how far it is. Ends early when nobody listens any more.
    async fn tell(self, to: Lines) {
        let last = match self.run(Some(&to)).await {
            Ok(done) => json!({"event": "done", "report": done}),
            Err(refused) => json!({"event": "failed", "problem": refused.problem()}),
        };
        drop(to.send(line(&last)).await);
    }

    async fn run(self, to: Option<&Lines>) -> Result<BundleImport, Refused> {
        let (gw, who) = (self.gw.clone(), self.checked.manifest.exporter.clone());
        let done = self.store(to).await;
        match &done {
            Ok(d) => {
                gw.metrics().bundle("imported");
                tracing::info!(exporter = %who, stored = d.stored, known = d.known, forks = d.forks, refused = d.refused,
                    "a bundle was taken");
            }
            Err(refused) => {
                gw.metrics().bundle("import_failed");
                tracing::warn!(exporter = %who, why = %refused.problem().detail, "taking a bundle broke off");
            }
        }
        done
    }

    async fn store(self, to: Option<&Lines>) -> Result<BundleImport, Refused> {
        let Self { gw, checked, trust, file, _room } = self;
        let Checked { mut manifest, .. } = checked;
        let positions = std::mem::take(&mut manifest.positions);
        let (tx, mut rx) = mpsc::channel(AHEAD);
        let reading = manifest.clone();
        tokio::task::spawn_blocking(move || pages(&file, &reading, &tx));
        let mut sum = Sum::default();
        let mut events = 0;
        for entry in &manifest.pages {
            let page = match rx.recv().await {
                Some(Ok(page)) => page,
                Some(Err(e)) => return Err(refuse(&e)),
                None => return Err(Refused::new("internal", "reading the upload broke off")),
            };
            let ask = BundleAsk::Store { from: manifest.exporter.clone(), page };
            match gw.stopping().run_until_cancelled(gw.bundle(&ask, PAGE)).await {
                Some(Ok(BundleReply::Stored(page))) => sum.add(page),
                Some(Ok(_)) => {
                    return Err(Refused::retry("no_sync", 5, "the service answered something else"));
                }
                Some(Err(refused)) => return Err(sum.broke_off(refused)),
                None => return Err(Refused::retry("busy", 5, "this central stops; import the bundle again")),
            }
            events += u64::from(entry.events);
            let told = json!({"event": "progress", "events": events, "of": manifest.events,
                "stored": sum.page.stored, "known": sum.page.known});
            if let Some(to) = to
                && to.send(line(&told)).await.is_err()
            {
                return Err(Refused::new("malformed_body", "the client is gone"));
            }
        }
        learn(&gw, &manifest, positions).await;
        Ok(sum.report(view(&gw, &manifest, trust), &manifest))
    }
}

/// Sync hears what the bundle's maker held. When it does not, the next bundle for it is larger than it need be.
async fn learn(gw: &Gateway, manifest: &Manifest, positions: Vec<StreamHoldings>) {
    if manifest.exporter == gw.site().config.this_central.id || positions.is_empty() {
        return;
    }
    let count = positions.len().div_ceil(MAP_STREAMS);
    for (i, streams) in positions.chunks(MAP_STREAMS).enumerate() {
        let ask = BundleAsk::Learn {
            from: manifest.exporter.clone(),
            streams: streams.to_vec(),
            last: i + 1 == count,
        };
        if let Err(refused) = gw.bundle(&ask, PAGE).await {
            tracing::debug!(why = %refused.problem().detail, "the map of a bundle was not learnt");
            return;
        }
    }
}

fn view(gw: &Gateway, m: &Manifest, trust: BundleTrust) -> BundleView {
    BundleView {
        exporter: m.exporter.to_string(),
        created_at: gw.site().rfc3339(m.created_at),
        for_central: m.wanted.for_central.as_ref().map(ToString::to_string),
        events: m.events,
        pages: m.pages.len() as u64,
        sealed_by: trust.by,
        certificate_ended: trust.ended,
        chain_breaks: m.chain_breaks,
    }
}

#[derive(Default)]
struct Sum {
    page: StoredPage,
    held: BTreeMap<StreamId, StreamHoldings>,
}

impl Sum {
    fn add(&mut self, page: StoredPage) {
        let s = &mut self.page;
        s.stored += page.stored;
        s.known += page.known;
        s.poison += page.poison;
        s.forks += page.forks;
        s.refused += page.refused;
        self.held.extend(page.holdings.into_iter().map(|h| (h.stream.clone(), h)));
    }

    fn broke_off(&self, mut refused: Refused) -> Refused {
        let p = refused.problem_mut();
        p.detail = format!(
            "{}; {} events were stored, {} were known: import the bundle again, it goes on there",
            p.detail, self.page.stored, self.page.known
        );
        refused
    }

    fn report(self, bundle: BundleView, manifest: &Manifest) -> BundleImport {
        let mut streams: BTreeMap<&StreamId, BundleStream> = BTreeMap::new();
        for part in &manifest.streams {
            let head = self.held.get(&part.stream).map_or(0, |h| h.head);
            let fresh = BundleStream { stream: part.stream.to_string(), from: part.from, to: part.to, head };
            let s = streams.entry(&part.stream).or_insert(fresh);
            s.from = s.from.min(part.from);
            s.to = s.to.max(part.to);
        }
        let gaps = || self.held.values().flat_map(|h| h.gaps.iter().map(move |g| (&h.stream, *g)));
        let text = |(stream, (from, to)): (&StreamId, (u64, u64))| {
            if from == to { format!("{stream}/{from}") } else { format!("{stream}/{from}-{to}") }
        };
        BundleImport {
            bundle,
            stored: self.page.stored,
            known: self.page.known,
            forks: self.page.forks,
            poison: self.page.poison,
            refused: self.page.refused,
            streams: streams.into_values().take(LISTED_STREAMS).collect(),
            gaps_left: gaps().take(LISTED_GAPS).map(text).collect(),
            gap_events: gaps().map(|(_, (from, to))| to.saturating_sub(from).saturating_add(1)).sum(),
        }
    }
}
