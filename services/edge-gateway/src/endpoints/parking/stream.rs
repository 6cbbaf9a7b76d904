//! `GET /api/parking/stream`: every stored event as it comes, resumable.
//!
//! The bus only wakes the stream; what is sent is read from the ledger, after the position the reader has. So nothing is missed when
//! the bus drops a message, live and resumed reading are the same code, and a slow reader costs a page of memory and is dropped.

use std::convert::Infallible;

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use wire::bus::query::LedgerQuery;
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
/// Looked at even when nobody was woken: the bus may lose the call.
const LOOK: Duration = Duration::from_secs(1);
/// Between two readings under load: many events, one page.
const PAUSE: Duration = Duration::from_millis(5);
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
    let first = page(&gw, last).await?;
    let (tx, rx) = mpsc::channel(QUEUE);
    tokio::spawn(follow(gw, first, tx, room));
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

async fn follow(gw: Gateway, first: StreamPage, out: Out, room: OwnedSemaphorePermit) {
    let mut woken = gw.stored();
    let mut page_now = first;
    // An id without data sets the reader's position and is no event: a link lost before the first event resumes here.
    if !send(&out, Event::default().id(&page_now.position)).await {
        return;
    }
    loop {
        let full = page_now.events.len() >= PAGE as usize;
        if !send_page(&out, &page_now).await {
            break;
        }
        if full {
            tokio::task::yield_now().await;
        } else {
            tokio::select! {
                () = out.closed() => break,
                () = gw.stopping().cancelled() => break,
                changed = woken.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                    woken.mark_unchanged();
                }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        let after = page_now.position.clone();
        page_now = match page(&gw, Some(after.clone())).await {
            Ok(p) => p,
            // The ledger is away: hold the line, look again.
            Err(_) => {
                tokio::time::sleep(LOOK).await;
                StreamPage { events: Vec::new(), position: after, reset: false }
            }
        };
    }
    drop(room);
}
