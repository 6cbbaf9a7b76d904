//! `GET /api/parking/stream`: every stored event as it comes, resumable.
//!
//! What the ledger tells on the bus is sent on where it follows right after the reader's position; whatever does not follow (a message
//! lost, a resumed reader, a slow one) is read from the ledger. So nothing is missed, a live reader costs the ledger nothing, and a slow
//! reader costs a page of memory and is dropped.

use std::convert::Infallible;

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use wire::bus::query::LedgerQuery;
use wire::bus::state::{Stored, stream_position};
use wire::http::{StreamEvent, StreamPage};

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::opaque;
use crate::problem::{Answer, Refused};

/// Events read at once.
const PAGE: u32 = 500;
/// Events on the way to one reader.
const QUEUE: usize = 64;
/// A reader that takes nothing for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looked at in the ledger when the bus was silent for so long: it may have lost a message.
const LOOK: Duration = Duration::from_secs(2);
/// Comments that keep proxies awake.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Every stored event as it comes
///
/// `id` is this central's opaque position, `event` the kind, `data` the event. Send the last `id` as `Last-Event-ID` to go on where
/// you were; when that position is too old or of another log, an event `reset` comes first: read everything anew.
#[utoipa::path(get, path = "/parking/stream", tag = "parking",
    params(("Last-Event-ID" = Option<String>, Header, description = "Go on after this one")),
    responses((status = 200, description = "Server-sent events", body = StreamEvent, content_type = "text/event-stream"), Problems))]
pub(crate) async fn stream(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let mut f = Faults::default();
    let last = match request.headers().get("last-event-id").map(|v| v.to_str().unwrap_or("\u{fffd}")) {
        None | Some("") => None,
        Some(id) => opaque(&mut f, "Last-Event-ID", id),
    };
    f.done()?;
    caller.must_be_person()?;
    let room = gw
        .streams()
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refused::retry("busy", 5, "too many streams are open"))?;
    // The first page is read before the answer starts, so that a missing ledger is an honest 503.
    // Listening begins before it: what is stored in between is heard.
    let news = gw.stored();
    let first = page(&gw, last).await?;
    let (tx, rx) = mpsc::channel(QUEUE);
    tokio::spawn(follow(gw, first, news, tx, room));
    Ok(Sse::new(ReceiverStream::new(rx)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

async fn page(gw: &Gateway, after: Option<String>) -> Result<StreamPage, Refused> {
    let raw = gw.ledger(&LedgerQuery::Stream { after, limit: PAGE }, LEDGER_BUDGET).await?;
    ask::read(&raw, "no_ledger")
}

type Out = mpsc::Sender<Result<Event, Infallible>>;

/// Sends one event; false when the reader is gone or too slow.
async fn send(out: &Out, event: Event) -> bool {
    out.send_timeout(Ok(event), PATIENCE).await.is_ok()
}

async fn send_page(out: &Out, page: &StreamPage) -> bool {
    if page.reset {
        let told = serde_json::json!({"position": page.position});
        if !send(out, Event::default().event("reset").id(&page.position).data(told.to_string())).await {
            return false;
        }
    }
    for e in &page.events {
        let Ok(data) = serde_json::to_string(e) else { continue };
        if !send(out, Event::default().id(&e.id).event(&e.kind).data(data)).await {
            return false;
        }
    }
    true
}

/// What was told, as a page, where it follows right after a position.
fn told(gw: &Gateway, at: &str, stored: &Stored) -> Option<StreamPage> {
    if stored.epoch.is_empty() || stored.begins_at() != at {
        return None;
    }
    let site = gw.site();
    let id = |arrival| stream_position(&stored.epoch, arrival);
    let events: Vec<StreamEvent> = stored
        .events
        .iter()
        .map(|e| StreamEvent {
            id: id(e.arrival),
            kind: e.kind.to_string(),
            position: e.position.to_string(),
            central: e.position.stream.central.to_string(),
            edge_id: e.edge_id.clone(),
            event_id: e.event_id.clone(),
            occurred_at: site.rfc3339(e.occurred_at),
            fee: e.fee,
        })
        .collect();
    let position = stored.events.last().map_or_else(|| at.to_owned(), |e| id(e.arrival));
    Some(StreamPage { events, position, reset: false })
}

/// What the bus had to say.
enum Heard {
    /// News that follow the position.
    Page(StreamPage),
    /// Something the position does not know of: ask the ledger.
    Ask,
    /// The reader or the service is gone.
    End,
}

/// True for news the reader has had already, with a page read from the ledger.
fn is_old(at: &str, stored: &Stored) -> bool {
    let newest = stored.events.last().map_or(stored.after, |e| e.arrival);
    at.split_once('.')
        .is_some_and(|(epoch, n)| epoch == stored.epoch && n.parse().is_ok_and(|n: u64| n >= newest))
}

async fn hear(gw: &Gateway, at: &str, news: &mut broadcast::Receiver<Arc<Stored>>, out: &Out) -> Heard {
    loop {
        tokio::select! {
            () = out.closed() => return Heard::End,
            () = gw.stopping().cancelled() => return Heard::End,
            heard = news.recv() => match heard {
                Ok(stored) if is_old(at, &stored) => {}
                Ok(stored) => return told(gw, at, &stored).map_or(Heard::Ask, Heard::Page),
                Err(broadcast::error::RecvError::Lagged(_)) => return Heard::Ask,
                Err(broadcast::error::RecvError::Closed) => return Heard::End,
            },
            () = tokio::time::sleep(LOOK) => return Heard::Ask,
        }
    }
}

async fn follow(
    gw: Gateway,
    first: StreamPage,
    mut news: broadcast::Receiver<Arc<Stored>>,
    out: Out,
    room: OwnedSemaphorePermit,
) {
    let mut page_now = first;
    // An id without data sets the reader's position and is no event: a link lost before the first event resumes here.
    if !send(&out, Event::default().id(&page_now.position)).await {
        return;
    }
    let mut full = page_now.events.len() >= PAGE as usize;
    loop {
        if !send_page(&out, &page_now).await {
            break;
        }
        let at = page_now.position;
        if !full {
            match hear(&gw, &at, &mut news, &out).await {
                Heard::Page(p) => {
                    page_now = p;
                    continue;
                }
                Heard::Ask => {}
                Heard::End => break,
            }
        }
        page_now = match page(&gw, Some(at.clone())).await {
            Ok(p) => p,
            // The ledger is away: hold the line, look again.
            Err(_) => {
                tokio::time::sleep(LOOK).await;
                StreamPage { events: Vec::new(), position: at, reset: false }
            }
        };
        full = page_now.events.len() >= PAGE as usize;
    }
    drop(room);
}
