//! An exit found no entry while gaps are open: which peer has this vehicle?

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use wire::bus::events::Carried;
use wire::hash::PlateTag;
use wire::id::CentralId;
use wire::mesh::{Message, PlateAnswer, PlateQuestion};

use crate::link::Link;
use crate::node::Node;

/// No fold needs more.
const MAX_EVENTS: u32 = 500;
/// Questions of peers answered at once; more are dropped and the asker goes on without.
const AT_ONCE: usize = 16;
/// Nobody at a barrier waits longer.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Questions that wait for answers.
#[derive(Debug)]
pub(crate) struct Lookups {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::Sender<(CentralId, PlateAnswer)>>>,
    answering: Arc<Semaphore>,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Found {
    /// Links asked.
    asked: usize,
    /// Answers in time.
    answered: usize,
    /// Events newly stored.
    stored: u32,
}

impl Lookups {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            answering: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, mpsc::Sender<(CentralId, PlateAnswer)>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer came; one nobody waits for is dropped.
    pub(crate) fn answered(&self, peer: &CentralId, answer: PlateAnswer) {
        let waiting = self.waiting();
        if let Some(asker) = waiting.get(&answer.id) {
            drop(asker.try_send((peer.clone(), answer)));
        }
    }
}

/// Asks every connected peer and has the answers applied, within the time.
pub(crate) async fn ask_peers(node: &Node, tag: PlateTag, limit: Duration) -> Found {
    let until = Instant::now() + limit.min(MAX_WAIT);
    let links = node.peers.links(None);
    let id = node.lookups.next.fetch_add(1, Ordering::Relaxed);
    let (tx, mut rx) = mpsc::channel(links.len().max(1));
    let Ok(question) = Message::PlateQuestion(PlateQuestion { id, tag }).encode() else {
        return Found::default();
    };
    node.lookups.waiting().insert(id, tx);
    for link in &links {
        link.send(question.clone());
    }
    let mut found = Found { asked: links.len(), ..Found::default() };
    let collect = async {
        while found.answered < found.asked {
            let Some((peer, answer)) = rx.recv().await else { break };
            found.answered += 1;
            match wire::page::unpack(&answer.page) {
                Ok(frames) if frames.is_empty() => {}
                Ok(frames) => {
                    let carried = |f: wire::event::Frame| Carried {
                        trace: None,
                        committed_at: 0,
                        frame: f.bytes().to_vec(),
                    };
                    match node.ledger.apply(&peer, frames.into_iter().map(carried).collect()).await {
                        Ok(reply) => found.stored += reply.stored,
                        Err(reason) => tracing::warn!(%peer, %reason, "answer about a plate not applied"),
                    }
                }
                Err(e) => tracing::warn!(%peer, error = %e, "answer about a plate cannot be read"),
            }
        }
    };
    drop(timeout_at(until, collect).await);
    node.lookups.waiting().remove(&id);
    found
}

/// Answers a peer's question from our ledger.
pub(crate) fn answer_plate_question(node: &Arc<Node>, link: &Arc<Link>, question: PlateQuestion) {
    let Ok(permit) = node.lookups.answering.clone().try_acquire_owned() else { return };
    let (tasks, node, link) = (node.tasks(), node.clone(), link.clone());
    tasks.spawn(async move {
        let _permit = permit;
        let Some(frames) = node.ledger.plate(question.tag, MAX_EVENTS).await else { return };
        match wire::page::pack(&frames) {
            Ok((page, _)) => {
                if let Ok(m) = Message::PlateAnswer(PlateAnswer { id: question.id, page }).encode() {
                    link.send(m);
                }
            }
            Err(e) => tracing::warn!(error = %e, "answer about a plate cannot be packed"),
        }
    });
}
