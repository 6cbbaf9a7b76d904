//! Answers and news, sent off the writer's task: a bus that is away must not hold the writer up.

use kit::{Bus, Incoming};
use tokio::sync::mpsc;
use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyReply, Carried, EventBatch, encode};
use wire::bus::state::Stored;
use wire::bus::subject;

/// Messages waiting at most. Whatever does not fit is dropped: an answer becomes the asker's time-out, news is repaired by
/// catch-up.
const BOUND: usize = 8192;
/// Bytes of frames in one message at most; leaves room for what stands beside them.
const BATCH_BYTES: usize = 600 * 1024;

/// Something to send.
#[derive(Debug)]
pub enum Out {
    /// Answer to a command. Holds its span open until it is sent.
    Command(Incoming, CommandReply, tracing::Span),
    /// Answer to an apply.
    Apply(Incoming, ApplyReply),
    /// Local events, for the mesh.
    Committed(Vec<Carried>),
    /// Newly stored events of any origin.
    Stored(Stored),
}

/// The sending end.
#[derive(Debug, Clone)]
pub struct Outbox(mpsc::Sender<Out>);

impl Outbox {
    /// Hands something over; never waits.
    pub fn send(&self, out: Out) {
        if self.0.try_send(out).is_err() {
            tracing::warn!("outbox is full, a message was dropped");
        }
    }
}

/// Starts the sender.
pub fn start(bus: Bus, shutdown: &kit::Shutdown) -> Outbox {
    let (tx, mut rx) = mpsc::channel(BOUND);
    shutdown.spawn("outbox", async move {
        // Ends when the last sender is gone: the writer's last answers still go out.
        while let Some(out) = rx.recv().await {
            send(&bus, out).await;
        }
        bus.flush().await;
        Ok(())
    });
    Outbox(tx)
}

async fn send(bus: &Bus, out: Out) {
    let lost = match out {
        Out::Command(to, reply, span) => {
            to.reply_json(&reply).await;
            drop(span);
            return;
        }
        Out::Apply(to, reply) => {
            match encode(&reply) {
                Ok(b) => to.reply(b).await,
                Err(e) => tracing::error!(error = %e, "answer could not be encoded"),
            }
            return;
        }
        Out::Committed(events) => {
            let mut lost = None;
            for batch in split(events) {
                match encode(&batch) {
                    Ok(b) => lost = bus.publish(subject::EVENTS_COMMITTED, b).await.err().or(lost),
                    Err(e) => tracing::error!(error = %e, "events could not be encoded"),
                }
            }
            lost
        }
        Out::Stored(stored) => bus.publish_json(subject::EVENTS_STORED, &stored).await.err(),
    };
    if let Some(e) = lost {
        tracing::debug!(error = %e, "news not sent, catch-up repairs it");
    }
}

fn split(events: Vec<Carried>) -> Vec<EventBatch> {
    let mut out = vec![EventBatch::default()];
    let mut bytes = 0;
    for e in events {
        let size = e.frame.len() + 64;
        if bytes + size > BATCH_BYTES {
            out.push(EventBatch::default());
            bytes = 0;
        }
        bytes += size;
        if let Some(b) = out.last_mut() {
            b.events.push(e);
        }
    }
    out.retain(|b| !b.events.is_empty());
    out
}
