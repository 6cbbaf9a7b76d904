//! What bundles tell the state machine, and ask it.

use replication::catchup::Catchup;
use replication::positions::Positions;
use tokio::sync::{mpsc, oneshot};
use wire::id::CentralId;
use wire::position::StreamHoldings;

use crate::requests::Done;

/// What a central is to this one.
#[derive(Debug)]
pub(crate) enum Known {
    /// Not in the configuration.
    Stranger,
    /// A peer that never told its whole map.
    Nothing,
    /// A peer, and what it held when it last told.
    Map(Positions),
}

/// A message to the task that owns the state machine.
#[derive(Debug)]
pub(crate) enum OfPeer {
    /// What is known of a peer?
    Ask(CentralId, oneshot::Sender<Known>),
    /// A peer's whole map came in a bundle.
    Map(CentralId, Vec<StreamHoldings>),
}

impl OfPeer {
    /// Does what it asks for.
    pub(crate) fn answer(self, catchup: &mut Catchup, now: i64) {
        match self {
            Self::Ask(peer, to) => {
                let known = match catchup.held_by(&peer) {
                    Some(map) => Known::Map(map.clone()),
                    None if catchup.is_configured(&peer) => Known::Nothing,
                    None => Known::Stranger,
                };
                drop(to.send(known));
            }
            Self::Map(peer, streams) => catchup.map_carried(now, &peer, streams),
        }
    }
}

/// The way to that task. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    node: mpsc::Sender<Done>,
}

impl Peers {
    pub(crate) fn new(node: mpsc::Sender<Done>) -> Self {
        Self { node }
    }

    /// What is known of a peer; nothing while the service stops.
    pub(crate) async fn known(&self, peer: &CentralId) -> Known {
        let (tx, rx) = oneshot::channel();
        drop(self.node.send(Done::Bundle(OfPeer::Ask(peer.clone(), tx))).await);
        rx.await.unwrap_or(Known::Nothing)
    }

    /// A peer's whole map came in a bundle.
    pub(crate) async fn map(&self, peer: CentralId, streams: Vec<StreamHoldings>) {
        drop(self.node.send(Done::Bundle(OfPeer::Map(peer, streams))).await);
    }
}
