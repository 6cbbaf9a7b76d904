//! The ledger on the bus: what comes in is read here, off the writer's task, and queued.

use std::sync::Arc;
use std::time::Duration;

use ::writer::Arrived;
use bytes::Bytes;
use kit::{Incoming, Subscription};
use parking::decision::PinCheck;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, decode};
use wire::bus::query::{MeshQuery, QueryReply};
use wire::bus::subject;
use wire::event::Frame;
use wire::hash::PlateTag;
use wire::id::CentralId;

use crate::access::Access;
use crate::outbox::{Out, Outbox};
use crate::pins::{self, Pins};
use crate::queue::{ApplyJob, CommandJob, Lanes};
use crate::reference::Keeper;
use crate::shared::Shared;

/// How long peers may take to say what they know of a vehicle that wants to leave, ms.
const PEERS_MS: u64 = 200;

/// Subscriptions that live while the writer lock is held.
#[derive(Debug)]
pub struct Intake {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Intake {
    /// Unsubscribes; what had already come in is answered.
    pub async fn stop(self) {
        self.stop.cancel();
        for t in self.tasks {
            drop(t.await);
        }
    }
}

/// Subscribes to commands and events.
pub async fn intake(
    shared: &Shared,
    lanes: &Arc<Lanes>,
    outbox: &Outbox,
    keeper: &Keeper,
    access: &Access,
) -> anyhow::Result<Intake> {
    let stop = CancellationToken::new();
    let commands = shared.bus.serve(subject::LEDGER_COMMAND, subject::LEDGER_GROUP).await?;
    let applies = shared.bus.serve(subject::LEDGER_APPLY, subject::LEDGER_GROUP).await?;
    let (l, o, s, pins) = (lanes.clone(), outbox.clone(), shared.clone(), Pins::default());
    let command = move |m| take_command(m, &l, &o, &s, &pins);
    let (l, o) = (lanes.clone(), outbox.clone());
    let apply = move |m| take_apply(m, &l, &o);
    let documents = shared.bus.serve(subject::LEDGER_REFERENCE, subject::LEDGER_GROUP).await?;
    let (k, tasks) = (keeper.clone(), shared.shutdown.tracker());
    let document = move |m| {
        let k = k.clone();
        tasks.spawn(async move { k.answer(m).await });
    };
    let doors = shared.bus.serve(subject::LEDGER_ACCESS, subject::LEDGER_GROUP).await?;
    let (a, tasks) = (access.clone(), shared.shutdown.tracker());
    let door = move |m| {
        let a = a.clone();
        tasks.spawn(async move { a.answer(m).await });
    };
    let tasks = vec![
        tokio::spawn(pump(commands, stop.clone(), command)),
        tokio::spawn(pump(applies, stop.clone(), apply)),
        tokio::spawn(pump(documents, stop.clone(), document)),
        tokio::spawn(pump(doors, stop.clone(), door)),
    ];
    Ok(Intake { stop, tasks })
}

async fn pump(mut from: Subscription, stop: CancellationToken, take: impl Fn(Incoming)) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            m = from.next() => match m {
                Some(m) => take(m),
                None => return,
            }
        }
    }
    while let Some(m) = from.try_next() {
        take(m);
    }
}

/// The span of a command; its name is the trace's, asserted by a test.
fn command_span(command: &Command, central: &CentralId) -> Span {
    macro_rules! span {
        ($name:literal) => {
            tracing::info_span!($name, otel.kind = "server", %central)
        };
    }
    match command.name() {
        "entry.open" => span!("ledger.entry.open"),
        "exit.open" => span!("ledger.exit.open"),
        "entry.close" => span!("ledger.entry.close"),
        "exit.close" => span!("ledger.exit.close"),
        "detect" => span!("ledger.detect"),
        "policy.set" => span!("ledger.policy.set"),
        "lane.tell" => span!("ledger.lane.tell"),
        "lane.next" => span!("ledger.lane.next"),
        "lane.ack" => span!("ledger.lane.ack"),
        "lane.mode" => span!("ledger.lane.mode"),
        "passage.resolve" => span!("ledger.passage.resolve"),
        "range.lose" => span!("ledger.range.lose"),
        _ => span!("ledger.session.act"),
    }
}

fn take_command(incoming: Incoming, lanes: &Arc<Lanes>, outbox: &Outbox, shared: &Shared, pins: &Pins) {
    let mut envelope: Box<CommandEnvelope> = match incoming.json() {
        Ok(e) => e,
        Err(e) => {
            let reply = CommandReply::Unavailable(format!("command cannot be read: {e}"));
            outbox.send(Out::Command(incoming, reply, Span::none()));
            return;
        }
    };
    let span = command_span(&envelope.command, &shared.central);
    kit::trace::set_parent(&span, incoming.trace);
    let claim = pins::claim(&envelope, &shared.reference());
    pins::forget(&mut envelope);
    let mut job = CommandJob { incoming, envelope, peers_asked: false, pin: PinCheck::NotChecked, span };
    let Some(claim) = claim else { return queue_command(lanes, outbox, job) };
    let (lanes, outbox, pins) = (lanes.clone(), outbox.clone(), pins.clone());
    shared.shutdown.tracker().spawn(async move {
        match pins.check(claim).await {
            Ok(checked) => {
                job.pin = checked;
                queue_command(&lanes, &outbox, job);
            }
            Err(pins::TooMany) => too_much(&outbox, job),
        }
    });
}

fn too_much(outbox: &Outbox, job: CommandJob) {
    let reply = CommandReply::Unavailable(wire::bus::reason::TOO_MUCH.to_owned());
    outbox.send(Out::Command(job.incoming, reply, job.span));
}

fn queue_command(lanes: &Lanes, outbox: &Outbox, job: CommandJob) {
    if let Err(job) = lanes.command(job) {
        too_much(outbox, *job);
    }
}

fn take_apply(incoming: Incoming, lanes: &Lanes, outbox: &Outbox) {
    let refuse = |incoming: Incoming, why: &str| {
        let reply = ApplyReply { error: Some(why.to_owned()), ..ApplyReply::default() };
        outbox.send(Out::Apply(incoming, reply));
    };
    let apply: Apply = match decode(&incoming.payload) {
        Ok(a) => a,
        Err(e) => return refuse(incoming, &e.to_string()),
    };
    let span = match apply.lane {
        ApplyLane::Live => Span::none(),
        ApplyLane::Backlog => {
            let span =
                tracing::info_span!("ledger.page.apply", otel.kind = "consumer", events = apply.events.len());
            kit::trace::set_parent(&span, incoming.trace);
            span
        }
    };
    let told = apply.events.len();
    let committed_at = apply.events.iter().map(|e| e.committed_at).filter(|t| *t > 0).collect();
    let events: Vec<Arrived> = apply.events.into_iter().filter_map(read).collect();
    let refused = (told - events.len()) as u32;
    if refused > 0 {
        tracing::warn!(from = %apply.from, refused, "bytes that are no events were refused");
    }
    let job = ApplyJob { incoming, from: apply.from, events, committed_at, refused, span };
    if let Err(job) = lanes.apply(apply.lane, job) {
        refuse(job.incoming, wire::bus::reason::TOO_MUCH);
    }
}

/// Reads an event; none for bytes that are no event, or that stand where Postgres cannot count to.
fn read(c: Carried) -> Option<Arrived> {
    let frame = Frame::parse(Bytes::from(c.frame)).ok()?;
    let h = frame.header();
    let limit = i64::MAX as u64 - 1;
    if h.position.seq > limit || h.opening.as_ref().is_some_and(|o| o.seq > limit) {
        return None;
    }
    let fact = ::writer::fact(&frame).map(Arc::new);
    Some(Arrived { frame, fact, trace: c.trace })
}

/// Asks the connected peers for a vehicle, off the writer's task, and queues the command again.
pub fn ask_peers(shared: &Shared, lanes: Arc<Lanes>, outbox: Outbox, mut job: CommandJob, tag: PlateTag) {
    let bus = shared.bus.clone();
    shared.shutdown.tracker().spawn(async move {
        let wanted = MeshQuery::PlateLookup { tag, timeout_ms: PEERS_MS };
        let limit = Duration::from_millis(PEERS_MS + 50);
        // Whatever it brings, or not: the command is decided with what is here then.
        match bus.request_json::<_, QueryReply>(subject::MESH_QUERY, &wanted, limit).await {
            Ok(QueryReply::Ok(_)) => {}
            Ok(QueryReply::Problem(p)) => tracing::debug!(code = %p.code, "peers could not be asked"),
            Err(e) => tracing::debug!(error = %e, "peers could not be asked"),
        }
        job.peers_asked = true;
        queue_command(&lanes, &outbox, job);
    });
}
