//! `GET /api/edge/commands`: what a lane is to do, server-sent.
//!
//! The ledger writes down that a command goes out before it goes: an `open` goes out once, whatever connection or process breaks
//! then. What is missed on the bus is found by looking again.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use wire::bus::command::Command;
use wire::bus::state::Stored;
use wire::event::Kind;
use wire::hash::CommandId;
use wire::http::{LaneCommandOut, NextForLane};

use crate::ask::{self, Outcome};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::lane_request::lane_of;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::{Answer, Refused};

const PATH: &str = "/api/v1/edge/commands";
/// Commands on the way to one lane.
const QUEUE: usize = 8;
/// A lane that takes nothing for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looked for in the ledger when the bus was silent for so long: it may have lost a message.
const LOOK: Duration = Duration::from_secs(2);
/// Comments that keep proxies awake.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Ids remembered as told on a connection. A command lives a minute at most.
const TOLD: usize = 128;

/// What the lane is to do, as it comes
///
/// Each event `command` carries `{command_id, command: open | close | hold_open | normal, event_id, sent_at, expires_at}`. Never do
/// one after `expires_at` (`expires_at` less `sent_at` tells how long it is good for, whatever the lane's clock shows), and
/// acknowledge each at `POST /api/edge/commands/{id}/ack`. On every connection the lane is told its mode, if one was ever set. An
/// `open` goes out once: what was lost on the way is given again by a person. One stream per lane; a new one ends the one before.
#[utoipa::path(get, path = "/edge/commands", tag = "lane",
    params(("edge_id" = String, Query, description = "The edge")),
    responses((status = 200, description = "Server-sent events", body = LaneCommandOut, content_type = "text/event-stream"), Problems))]
pub(crate) async fn commands(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let edge_id = p.text(&mut f, "edge_id", 64);
    if edge_id.is_none() && f.is_empty() {
        f.add("/edge_id", "missing", "must be there");
    }
    f.done()?;
    let edge_id = edge_id.unwrap_or_default();
    lane_of(&gw.site(), &caller, &edge_id)?;
    gw.heartbeats().heard(&caller, &edge_id, kit::clock::now_ms());
    // Listening begins before the first look, so that a missing ledger is an honest 503 and nothing falls between.
    let news = gw.stored();
    let first = next(&gw, &caller, &edge_id, &[]).await?;
    let (tx, rx) = mpsc::channel(QUEUE);
    let stream = LaneStream {
        replaced: gw.lane_streams().begin(&edge_id),
        gw,
        caller,
        edge_id,
        news,
        out: tx,
        told: Vec::new(),
    };
    tokio::spawn(stream.run(first));
    Ok(Sse::new(ReceiverStream::new(rx)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// What goes out next. Errors: the ledger's problem, or 503 `no_ledger`.
async fn next(
    gw: &Gateway,
    caller: &Caller,
    edge_id: &str,
    told: &[CommandId],
) -> Result<Option<LaneCommandOut>, Refused> {
    let request = ask::Request {
        principal: caller.principal(Some(edge_id)),
        path: PATH,
        idempotency_key: None,
        received_at: kit::clock::now_ms(),
    };
    let command = Command::NextForLane { edge_id: edge_id.to_owned(), told: told.to_vec() };
    match gw.command(request, command).await {
        Outcome::Answered { body, .. } => Ok(ask::read::<NextForLane>(&body, "no_ledger")?.command),
        Outcome::Refused(r) => Err(r),
        Outcome::NoLedger(why) => Err(ask::no_ledger(why)),
    }
}

struct LaneStream {
    gw: Gateway,
    caller: Caller,
    edge_id: String,
    news: broadcast::Receiver<Arc<Stored>>,
    out: mpsc::Sender<Result<Event, Infallible>>,
    told: Vec<CommandId>,
    replaced: CancellationToken,
}

impl LaneStream {
    async fn run(mut self, first: Option<LaneCommandOut>) {
        let mut now = first;
        loop {
            while let Some(command) = now {
                if !self.send(&command).await {
                    return;
                }
                now = self.next().await;
            }
            if !self.wait().await || lane_of(&self.gw.site(), &self.caller, &self.edge_id).is_err() {
                return;
            }
            now = self.next().await;
        }
    }

    /// While the ledger is away there is nothing; it is asked again.
    async fn next(&self) -> Option<LaneCommandOut> {
        next(&self.gw, &self.caller, &self.edge_id, &self.told).await.ok().flatten()
    }

    async fn send(&mut self, command: &LaneCommandOut) -> bool {
        let (Ok(id), Ok(data)) = (command.command_id.parse(), serde_json::to_string(command)) else {
            return false;
        };
        if self.told.len() >= TOLD {
            self.told.remove(0);
        }
        self.told.push(id);
        let event = Event::default().event("command").id(&command.command_id).data(data);
        self.out.send_timeout(Ok(event), PATIENCE).await.is_ok()
    }

    /// Waits for a reason to look; false when the stream is over.
    async fn wait(&mut self) -> bool {
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = self.out.closed() => return false,
                () = self.gw.stopping().cancelled() => return false,
                () = self.replaced.cancelled() => return false,
                () = &mut look => return true,
                heard = self.news.recv() => match heard {
                    Ok(stored) if self.concerns(&stored) => return true,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return true,
                    Err(broadcast::error::RecvError::Closed) => return false,
                },
            }
        }
    }

    fn concerns(&self, stored: &Stored) -> bool {
        stored.events.iter().any(|e| match e.kind {
            Kind::LaneCommanded => e.edge_id.as_deref() == Some(&self.edge_id),
            Kind::LaneModeSet => true,
            _ => false,
        })
    }
}
