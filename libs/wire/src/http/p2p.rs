//! Mesh and sync as people see them.

use serde::{Deserialize, Serialize};

use super::keeping::SpreadView;
use super::lane::Degraded;
use super::reference::ReferenceStatus;
use crate::alarm::{AlarmCode, AlarmNow, Severity};

/// Alone or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Mode {
    /// No peers configured.
    Standalone,
    /// Peers configured.
    Mesh,
}

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PeerState {
    /// Dialling.
    Connecting,
    /// Linked; nothing to do.
    Connected,
    /// Linked; events are missing on one side.
    Behind,
    /// No link.
    Down,
    /// Refused: certificate, id or protocol.
    Refused,
    /// Switched off by configuration.
    Disabled,
}

/// *Peer*.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerView {
    /// Its name.
    pub id: String,
    /// State.
    pub state: PeerState,
    /// Since when.
    pub since: String,
    /// Round trip, ms.
    pub rtt_ms: Option<f64>,
    /// Its clock less ours, ms.
    pub clock_skew_ms: Option<i64>,
    /// I hold, it lacks.
    pub behind_events: Option<u64>,
    /// Its own, that I hold.
    pub held_events: Option<u64>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
}

/// The mesh's part of the status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeshStatus {
    /// This central.
    pub central_id: String,
    /// Alone or not.
    pub mode: Mode,
    /// Peers; `behind_events` and `held_events` are sync's to fill.
    pub peers: Vec<PeerView>,
    /// Alarms the mesh knows of.
    #[serde(default)]
    pub alarms: Vec<AlarmNow>,
}

/// What a central is getting back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RecoveryState {
    /// Nothing: what it wrote it holds.
    None,
    /// Events it wrote are missing here; they are being fetched from its peers (an older copy of the database was put in place).
    Recovering,
    /// Events it wrote are missing here; the peers that hold them are away.
    Waiting,
    /// A new or emptied database is being filled.
    Filling,
}

/// What a central is getting back after its database was restored, exchanged or emptied. Its lanes work meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recovery {
    /// What is going on.
    pub state: RecoveryState,
    /// Since when.
    pub since: Option<String>,
    /// Its own events that peers hold and that are missing here.
    pub missing_own: u64,
    /// All events that connected peers hold and that are missing here.
    pub missing: u64,
    /// All events held here.
    pub held: u64,
    /// When nothing will be missing any more, at the rate of the last seconds; null when unknown.
    pub eta_s: Option<u64>,
    /// The same in words.
    pub detail: Option<String>,
}

/// `GET /api/p2p/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// This central.
    pub central_id: String,
    /// Alone or not.
    pub mode: Mode,
    /// Peers with a live link.
    pub connected_peers: u32,
    /// Peers.
    pub peers: Vec<PeerView>,
    /// Digest over history and conflicts, hex; null without ledger.
    pub digest: Option<String>,
    /// Digest over the position map, hex; digests are comparable where this is equal.
    pub positions_digest: Option<String>,
    /// Version of the projection.
    pub projection_version: Option<u32>,
    /// Rows in history; null without ledger.
    pub history_rows: Option<u64>,
    /// This central's own events that no peer is known to hold.
    pub held_only_here: Option<u64>,
    /// Degraded modes.
    pub degraded: Vec<Degraded>,
    /// What it is getting back; null while sync does not answer.
    pub recovery: Option<Recovery>,
    /// Versions of rate tables, staff and passes; null without ledger.
    #[serde(default)]
    pub reference: Option<Vec<ReferenceStatus>>,
    /// How far the events held here have spread: the oldest one that is not everywhere yet, and what each peer lacks; null until it was
    /// looked up.
    pub spread: Option<SpreadView>,
    /// What people must look at, worst first.
    pub alarms: Vec<Alarm>,
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alarm {
    /// What is wrong.
    pub code: AlarmCode,
    /// How bad it is.
    pub severity: Severity,
    /// Since when.
    pub since: String,
    /// The peer it is about, if one.
    pub peer: Option<String>,
    /// The lane it is about, if one.
    #[serde(default)]
    pub lane: Option<String>,
    /// What exactly and why.
    pub detail: String,
}

/// How far a test connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TestStage {
    /// Name to address.
    Resolve,
    /// TCP connect.
    Tcp,
    /// TLS handshake.
    Tls,
    /// WebSocket handshake.
    Websocket,
    /// HELLO both ways.
    Hello,
    /// All of it.
    Done,
}

/// `POST /api/p2p/test-connection`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestConnection {
    /// All of it worked.
    pub ok: bool,
    /// Round trip of HELLO, ms.
    pub rtt_ms: Option<f64>,
    /// The stage that failed, or `done`.
    pub stage: TestStage,
    /// Why.
    pub error: Option<String>,
}

/// Completeness of one peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncPeerView {
    /// The peer.
    pub peer_central_id: String,
    /// `occurred_at` of the newest of its events held here, ms since the epoch.
    pub last_sync_timestamp: Option<i64>,
    /// When something was last applied from it.
    pub last_sync_time: Option<String>,
    /// Missing ranges of its streams.
    pub gaps: Vec<String>,
    /// Events it holds that are missing here.
    pub backlog: u64,
    /// Events applied per second, lately.
    pub rate: f64,
    /// Backlog over rate, seconds; null when unknown.
    pub eta_s: Option<f64>,
}

/// `GET /api/p2p/sync-state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncStateView {
    /// This central.
    pub central_id: String,
    /// True while something a connected peer holds is missing here.
    pub catching_up: bool,
    /// Events missing here that some peer holds.
    pub backlog: u64,
    /// Ranges known to exist that no connected peer holds.
    pub unavailable: Vec<String>,
    /// Of these, ranges that no configured peer is known to hold, connected or not: an operator may close them.
    #[serde(default)]
    pub nowhere: Vec<String>,
    /// Ranges that an operator closed and that are still missing; they are in no other list.
    #[serde(default)]
    pub closed: Vec<String>,
    /// How far the events held here have spread; null until it was looked up.
    #[serde(default)]
    pub spread: Option<SpreadView>,
    /// Set when maps differ and nothing moves: the cause.
    pub stalled: Option<String>,
    /// Bytes per event that came in pages since sync started; null while none came.
    pub raw_bytes_per_event: Option<f64>,
    /// The same, as they travelled.
    pub bytes_per_event: Option<f64>,
    /// Per peer.
    pub peers: Vec<SyncPeerView>,
}
