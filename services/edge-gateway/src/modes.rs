//! Degraded modes, from what mesh and sync last said. Old news count as no news.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use wire::bus::state::{MeshState, SyncState};
use wire::http::Degraded;

use crate::site::Site;

/// Mesh and sync speak every second; after so long they are taken for silent.
const MAX_AGE: Duration = Duration::from_secs(5);

/// News with the moment they came.
type News<T> = watch::Sender<Option<(Instant, T)>>;

/// The last news.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    mesh: News<MeshState>,
    sync: News<SyncState>,
}

fn fresh<T: Clone>(news: &News<T>) -> Option<T> {
    news.borrow().as_ref().filter(|(at, _)| at.elapsed() < MAX_AGE).map(|(_, n)| n.clone())
}

impl Modes {
    /// Takes the mesh's news.
    pub(crate) fn hear_mesh(&self, state: MeshState) {
        self.mesh.send_replace(Some((Instant::now(), state)));
    }

    /// Takes sync's news.
    pub(crate) fn hear_sync(&self, state: SyncState) {
        self.sync.send_replace(Some((Instant::now(), state)));
    }

    /// The modes a command is decided in. A silent mesh reaches no peer, a silent sync no external API.
    pub(crate) fn now(&self, site: &Site) -> Vec<Degraded> {
        let mut modes = Vec::new();
        let configured = site.config.peer_centrals.iter().any(|p| !p.disabled);
        if configured && fresh(&self.mesh).is_none_or(|m| m.connected.is_empty()) {
            modes.push(Degraded::NoPeers);
        }
        let sync = fresh(&self.sync);
        // Nobody asks the external API while sync is silent.
        let gone = match &sync {
            Some(state) => state.no_external_api,
            None => self.sync.borrow().as_ref().is_some_and(|(_, last)| last.external_api),
        };
        if gone {
            modes.push(Degraded::NoExternalApi);
        }
        if sync.is_some_and(|s| s.catching_up) {
            modes.push(Degraded::CatchingUp);
        }
        modes
    }
}
