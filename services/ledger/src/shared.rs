//! What every part of the ledger looks at: who we are, the operator's key, rate tables, and what mesh and sync say.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use jiff::tz::TimeZone;
use kit::{Bus, ConfigWatch, Settings, Shutdown};
use parking::decision::Site;
use parking::history::Policies;
use parking::reference::Reference;
use parking::rights::{LotRule, Rights};
use parking::view::View;
use tokio::sync::watch;
use wire::bus::lanes::LanesHeard;
use wire::bus::state::{MeshState, SyncState};
use wire::bus::subject;
use wire::config::LotConfig;
use wire::hash::PlateTag;
use wire::id::CentralId;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    /// This central.
    pub central: CentralId,
    /// The operator's key for plate tags.
    pub operator_key: Arc<[u8]>,
    /// The configuration file.
    pub config: ConfigWatch,
    /// The mesh in short, as last told.
    pub mesh: watch::Receiver<MeshState>,
    /// Completeness in short, as last told.
    pub sync: watch::Receiver<SyncState>,
    /// What lanes say of themselves, as last told.
    pub lanes_heard: watch::Receiver<LanesHeard>,
    /// The bus.
    pub bus: Bus,
    /// Stop.
    pub shutdown: Shutdown,
    clock_offset: Arc<AtomicI64>,
    reference: Arc<watch::Sender<Reference>>,
}

impl Shared {
    /// Gathers it. Errors for an unreadable key file.
    pub fn new(
        settings: &Settings,
        config: ConfigWatch,
        bus: Bus,
        shutdown: Shutdown,
    ) -> anyhow::Result<Self> {
        let central = config.current().this_central.id.clone();
        let operator_key = plate_key(settings)?;
        let reference = Reference::built_in().context("built-in rate tables")?;
        let nobody = MeshState {
            configured: 0,
            connected: Vec::new(),
            clock_offset_ms: 0,
            clock: None,
            unlinked: Vec::new(),
        };
        let mesh = follow(&bus, &shutdown, "mesh-state", subject::MESH_STATE, nobody);
        // Until sync has spoken something may be missing: peers are asked for what is unknown here.
        let unheard = SyncState { catching_up: true, ..SyncState::default() };
        let sync = follow(&bus, &shutdown, "sync-state", subject::SYNC_STATE, unheard);
        let lanes_heard = follow(&bus, &shutdown, "lanes-heard", subject::LANES_HEARD, LanesHeard::default());
        Ok(Self {
            central,
            operator_key,
            config,
            mesh,
            sync,
            lanes_heard,
            bus,
            shutdown,
            clock_offset: Arc::default(),
            reference: Arc::new(watch::Sender::new(reference)),
        })
    }

    /// Rate tables, staff and passes in force.
    pub fn reference(&self) -> Reference {
        self.reference.borrow().clone()
    }

    /// Others are in force from the next round on.
    pub fn change_reference(&self, change: impl FnOnce(&mut Reference)) {
        self.reference.send_modify(change);
    }

    /// What holds for every decision now, under these policies; without the register.
    pub fn site<'a>(&'a self, policies: &'a Policies, reference: &'a Reference) -> Site<'a> {
        Site {
            central: &self.central,
            operator_key: &self.operator_key,
            clock_offset_ms: self.clock_offset_ms(),
            reference,
            policies,
            rights: Rights::default(),
        }
    }

    /// Car parks with a capacity, or closed.
    pub fn lots(&self) -> Vec<LotRule> {
        let rule = |lot: &LotConfig| LotRule {
            id: lot.id.clone(),
            capacity: lot.capacity.iter().map(|(class, n)| (class.clone(), i64::from(*n))).collect(),
            closed: lot.closed.clone(),
        };
        self.config.current().this_central.lots.iter().map(rule).collect()
    }

    /// How far this central's own clock is off, as far as known, ms.
    pub fn clock_offset_ms(&self) -> i64 {
        self.clock_offset.load(Ordering::Relaxed)
    }

    /// The writer found out how far this central's own clock is off, ms.
    pub fn set_clock_offset_ms(&self, offset_ms: i64) {
        self.clock_offset.store(offset_ms, Ordering::Relaxed);
    }

    /// How rows are shown here.
    pub fn view(&self) -> View {
        let tz = TimeZone::get(&self.config.current().this_central.time_zone).unwrap_or(TimeZone::UTC);
        View { central: self.central.clone(), tz }
    }

    /// Edges of this central's own lanes.
    pub fn lanes_here(&self) -> HashSet<String> {
        self.config.current().this_central.edges.iter().map(|e| e.id.to_string()).collect()
    }

    /// The tag of a plate key.
    pub fn tag(&self, key: &str) -> PlateTag {
        PlateTag::of(&self.operator_key, key)
    }

    /// The tag in a readable alias (`central_ms_key`, maybe with `~2`).
    pub fn tag_of_alias(&self, event_id: &str) -> Option<PlateTag> {
        let (_, key) = event_id.rsplit_once('_')?;
        let key = key.split_once('~').map_or(key, |(k, _)| k);
        (!key.is_empty()).then(|| self.tag(key))
    }
}

/// The operator's key: the file's content without surrounding white space.
pub fn plate_key(settings: &Settings) -> anyhow::Result<Arc<[u8]>> {
    match &settings.plate_key_file {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("PLATE_KEY_FILE={}", file.display()))?;
            anyhow::ensure!(!text.trim().is_empty(), "PLATE_KEY_FILE={}: the file is empty", file.display());
            Ok(text.trim().as_bytes().into())
        }
        None => {
            tracing::warn!("PLATE_KEY_FILE is not set: plate tags are made without a secret key");
            Ok(Arc::from(&b""[..]))
        }
    }
}

/// The last message of a subject that tells a state.
fn follow<T>(
    bus: &Bus,
    shutdown: &Shutdown,
    name: &'static str,
    subject: &'static str,
    first: T,
) -> watch::Receiver<T>
where
    T: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let (tx, rx) = watch::channel(first);
    let (bus, token) = (bus.clone(), shutdown.token());
    shutdown.spawn(name, async move {
        let mut told = bus.subscribe(subject).await?;
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                m = told.next() => match m {
                    None => return Ok(()),
                    Some(m) => match m.json::<T>() {
                        Ok(state) => { tx.send_replace(state); }
                        Err(e) => tracing::warn!(subject, error = %e, "state cannot be read"),
                    },
                },
            }
        }
    });
    rx
}
