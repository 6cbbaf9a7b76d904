//! Carries the conversation of the audits: what the ledger wants said goes to the peers, what they say goes to the ledger. The sums
//! themselves are made and judged there, beside the rows.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::Bus;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::audit::{AuditAsk, AuditSay};
use wire::bus::events::{ToPeer, decode, encode};
use wire::bus::subject::{LEDGER_AUDIT, MESH_SEND};
use wire::id::CentralId;
use wire::mesh::Message;

/// Messages of peers that wait. One that finds the queue full is dropped: sums are told again, questions asked again.
const WAITING: usize = 64;
/// Between two askings whether something is to be said.
const EVERY: Duration = Duration::from_secs(3);
/// The same sums are told again after this at the earliest, and at the latest after [`LATEST_REPEAT`].
const FIRST_REPEAT: Duration = Duration::from_secs(10 * 60 - 5);
const LATEST_REPEAT: Duration = Duration::from_secs(24 * 3600);
/// The ledger may have to repair something first.
const LIMIT: Duration = Duration::from_secs(20);

/// The queue towards the ledger.
pub(crate) struct Audit {
    queue: mpsc::Sender<AuditAsk>,
    asked_at: Option<Instant>,
}

impl Audit {
    pub(crate) fn new(bus: Bus, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (queue, asks) = mpsc::channel(WAITING);
        tasks.spawn(carry(bus, asks, stop));
        Self { queue, asked_at: None }
    }

    /// A peer said something.
    pub(crate) fn heard(&self, from: &CentralId, message: Vec<u8>) {
        if self.queue.try_send(AuditAsk::Heard { from: from.clone(), message }).is_err() {
            tracing::debug!(peer = %from, "queue of the audit is full, the peer says it again");
        }
    }

    /// Time passed.
    pub(crate) fn tick(&mut self, connected: impl FnOnce() -> Vec<CentralId>) {
        let now = Instant::now();
        if self.asked_at.is_some_and(|at| now - at < EVERY) {
            return;
        }
        self.asked_at = Some(now);
        // A full queue has something to say already.
        drop(self.queue.try_send(AuditAsk::Tick { connected: connected() }));
    }
}

async fn carry(bus: Bus, mut asks: mpsc::Receiver<AuditAsk>, stop: CancellationToken) {
    let mut repeats = Repeats::default();
    while let Some(Some(ask)) = stop.run_until_cancelled(asks.recv()).await {
        if let AuditAsk::Tick { connected } = &ask {
            repeats.keep(connected);
        }
        if let Some(Err(error)) = stop.run_until_cancelled(one(&bus, &ask, &mut repeats)).await {
            tracing::debug!(%error, "the audit was not carried on");
        }
    }
}

/// What was last sent to a peer, when, and how often since it changed.
#[derive(Debug)]
struct Told {
    message: Vec<u8>,
    at: Instant,
    repeated: u32,
}

/// Sums that did not change are told again four times as late each time: a message may have been lost, but not again and again, and
/// an idle link should be one.
#[derive(Debug, Default)]
struct Repeats(BTreeMap<CentralId, Told>);

impl Repeats {
    /// Whoever comes back is told at once.
    fn keep(&mut self, connected: &[CentralId]) {
        self.0.retain(|peer, _| connected.contains(peer));
    }

    /// True for what need not be said.
    fn is_idle(&mut self, to: &ToPeer, now: Instant) -> bool {
        let (Some(peer), Ok(Message::AuditDigests(_))) = (&to.to, Message::decode(&to.message)) else {
            return false;
        };
        let repeated = match self.0.get(peer).filter(|t| t.message == to.message) {
            None => 0,
            Some(t) => {
                let wait = FIRST_REPEAT.saturating_mul(4u32.saturating_pow(t.repeated)).min(LATEST_REPEAT);
                if now - t.at < wait {
                    return true;
                }
                t.repeated.saturating_add(1)
            }
        };
        self.0.insert(peer.clone(), Told { message: to.message.clone(), at: now, repeated });
        false
    }
}

async fn one(bus: &Bus, ask: &AuditAsk, repeats: &mut Repeats) -> Result<(), String> {
    let question = encode(ask).map_err(|e| e.to_string())?;
    let answer = bus.request(LEDGER_AUDIT, question, LIMIT).await.map_err(|e| e.to_string())?;
    let said: AuditSay = decode(&answer).map_err(|e| e.to_string())?;
    let now = Instant::now();
    for to in said.send.into_iter().filter(|to| !repeats.is_idle(to, now)).collect::<Vec<_>>() {
        let payload = encode(&to).map_err(|e| e.to_string())?;
        bus.publish(MESH_SEND, payload).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wire::audit::AuditDigests;

    use super::*;

    #[test]
    fn the_same_sums_are_told_ever_more_rarely_and_others_at_once() {
        let peer = CentralId::new("central-2").unwrap();
        let say = |sites| {
            let message = Message::AuditDigests(AuditDigests { sites }).encode().unwrap();
            ToPeer { to: Some(peer.clone()), message }
        };
        let (began, mut repeats) = (Instant::now(), Repeats::default());
        // Every ten minutes for a week, as the ledger wants it said.
        let said =
            (0..1008u64).filter(|n| !repeats.is_idle(&say(vec![]), began + Duration::from_secs(n * 600)));
        let said: Vec<u64> = said.collect();
        assert_eq!(said[..5], [0, 1, 5, 21, 85]);
        // From then on once a day.
        assert_eq!(said[5..], [229, 373, 517, 661, 805, 949]);
        let site = wire::audit::SiteDigest { site: peer.clone(), cuts: vec![], tally: Default::default() };
        assert!(!repeats.is_idle(&say(vec![site.clone()]), began));
        assert!(repeats.is_idle(&say(vec![site.clone()]), began));
        repeats.keep(&[]);
        assert!(!repeats.is_idle(&say(vec![site]), began), "it came back");
    }
}
