//! Questions between services, JSON both ways.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::alarm::AlarmNow;
use crate::bundle::Seal;
use crate::config::P2pConfig;
use crate::event::{Credential, ListKind};
use crate::hash::Hash32;
use crate::http::Problem;
use crate::id::CentralId;
use crate::position::{Position, SeqRange};
use crate::reference::{DocumentId, DocumentKind};

/// What one can ask the ledger. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerQuery {
    /// → `http::Page<http::Session>`
    History {
        /// Plate in any writing.
        plate: Option<String>,
        /// Statuses, any of.
        statuses: Vec<String>,
        /// `from ≤ entry_time`.
        from: Option<i64>,
        /// `entry_time < to`.
        to: Option<i64>,
        /// Source or exit central.
        central: Option<String>,
        /// Car park entered.
        #[serde(default)]
        lot_id: Option<String>,
        /// Flags, any of.
        #[serde(default)]
        flags: Vec<String>,
        /// 1 to 500.
        limit: u32,
        /// Opaque, from the page before.
        cursor: Option<String>,
    },
    /// → `http::SessionDetail`
    Session {
        /// Readable alias.
        event_id: String,
    },
    /// → `http::Quote`
    Quote {
        /// Plate in any writing.
        plate: String,
        /// The card was lost.
        #[serde(default)]
        lost_credential: bool,
        /// Ids of discounts that staff grant.
        #[serde(default)]
        discounts: Vec<String>,
    },
    /// → `http::Quote`
    Calculate {
        /// Rate table id.
        rate_table: String,
        /// Entry.
        entry: i64,
        /// Exit.
        exit: i64,
        /// Class.
        vehicle_class: String,
        /// Rights, as the caller sent them.
        rights: Option<serde_json::Value>,
        /// Card lost.
        lost_credential: bool,
        /// Ids of discounts that staff grant.
        #[serde(default)]
        discounts: Vec<String>,
    },
    /// → `http::Occupancy`
    Occupancy {
        /// Of one car park.
        lot_id: Option<String>,
    },
    /// → `http::Page<http::Conflict>`
    Conflicts {
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// → `http::StreamPage`: stored events after an arrival number, oldest first.
    Stream {
        /// Opaque position of the last one seen; none = from now.
        after: Option<String>,
        /// 1 to 500.
        limit: u32,
    },
    /// → [`LedgerStatus`]
    Status,
    /// → `http::LostRanges`: ranges operators closed, newest first.
    LostRanges,
    /// → `http::StorageView`
    Storage,
    /// → [`LedgerIdentity`]; answered without Postgres.
    Identity,
    /// → `[`[`PeerTimes`]`, …]`: when something last came through each peer.
    PeerTimes,
    /// → `http::PolicyList`
    Policies,
    /// → `http::Replay`: what another policy would have decided over a period. Nothing is changed.
    Replay {
        /// The other policy.
        policy: OtherPolicy,
        /// First moment.
        from: i64,
        /// First moment that counts no more.
        to: i64,
        /// Sessions listed, 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// → `http::AuditView`
    Audit {
        /// Only this origin.
        site: Option<String>,
        /// So many days back, 1 to 400.
        days: u32,
        /// Findings at most, 1 to 500.
        findings: u32,
    },
    /// → `http::ListEntries`
    Lists {
        /// Of one list.
        kind: Option<ListKind>,
        /// Of one vehicle, in any writing.
        plate: Option<String>,
        /// Those that ended or ran out, too.
        all: bool,
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// → `http::PassList`
    Passes {
        /// Of one vehicle, in any writing.
        plate: Option<String>,
        /// Those that ended or ran out, too.
        all: bool,
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// → `http::Passback`
    Passback {
        /// One credential …
        credential: Option<Credential>,
        /// … or one vehicle, in any writing; none of both: the credentials inside.
        plate: Option<String>,
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// → `http::OccupancyCorrections`
    OccupancyCorrections {
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// Look through the last two days now → `http::AuditStarted`
    AuditNow,
    /// → `http::ReferencePage`, as far as the ledger knows it.
    Reference {
        /// Which document.
        document: DocumentKind,
        /// 1 to 500.
        limit: u32,
        /// Opaque, from the page before.
        cursor: Option<String>,
    },
    /// → `[`[`super::lanes::LaneModeNow`]`, …]`: every lane whose mode somebody set.
    LaneModes,
    /// → `http::Page<http::LaneCommandView>`: the last commands to a lane, newest first.
    LaneCommands {
        /// The lane's edge.
        edge_id: String,
        /// 1 to 500.
        limit: u32,
    },
    /// → `http::Unresolved`: manual vends and passages that belong to no session.
    Unresolved {
        /// So many days back, 1 to 90.
        days: u32,
        /// Only of this central.
        central: Option<String>,
        /// 1 to 500.
        limit: u32,
    },
    /// → [`super::lanes::LanesHeard`]
    LanesHeard,
}

/// When events last came through a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTimes {
    /// The peer.
    pub peer: CentralId,
    /// When that was, ms since the epoch.
    pub last_sync_at: i64,
}

/// Which ledger answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerIdentity {
    /// Its process, random at every start; two that speak in turns are a clone.
    pub process: String,
    /// True while it holds the writer lock.
    pub writer: bool,
    /// Version of the projection.
    pub projection_version: u32,
}

/// A policy that is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherPolicy {
    /// This duplicate window for the whole period, ms.
    Window(i64),
    /// The rules of this version for the whole period.
    Version(i64),
    /// As if it were set now.
    Set {
        /// The duplicate window, ms.
        duplicate_window_ms: i64,
        /// First moment it judges.
        valid_from: i64,
    },
}

/// The ledger's part of the status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Its process, random at every start.
    #[serde(default)]
    pub process: String,
    /// True while it holds the writer lock.
    pub writer: bool,
    /// Digest over history and conflicts, hex.
    pub digest: String,
    /// Digest of the position map.
    pub positions_digest: Hash32,
    /// Version of the projection.
    pub projection_version: u32,
    /// Rows in history.
    pub history_rows: u64,
    /// Rows in conflicts.
    pub conflict_rows: u64,
    /// Events stored.
    pub events: u64,
    /// Alarms the ledger knows of.
    #[serde(default)]
    pub alarms: Vec<AlarmNow>,
    /// Reference documents in force.
    #[serde(default)]
    pub reference: Vec<DocumentId>,
}

/// What one can ask the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeshQuery {
    /// → `http::MeshStatus` (the peers as links; sync adds what is behind).
    Status,
    /// → [`P2pConfig`], redacted.
    Config,
    /// Replace the configuration → [`P2pConfig`], redacted.
    PutConfig(Box<P2pConfig>),
    /// → `http::TestConnection`
    TestConnection {
        /// The peer.
        peer_id: String,
    },
    /// Ask the connected peers for a vehicle's events and have them applied → `{"asked": n, "answered": n, "stored": n}`.
    PlateLookup {
        /// The plate tag, hex.
        tag: crate::hash::PlateTag,
        /// Give up after so many ms.
        timeout_ms: u64,
    },
    /// What bundles are sealed with here → [`super::bundle::SealedBy`]
    BundleSealer,
    /// Seal a manifest of this central's → [`Seal`]
    SealBundle {
        /// SHA-256 of the manifest's bytes.
        manifest: Hash32,
    },
    /// Is a bundle to be believed here → [`super::bundle::BundleTrust`]
    TrustBundle {
        /// Who says to have made it.
        exporter: CentralId,
        /// When, by its clock, ms.
        created_at: i64,
        /// SHA-256 of the manifest's bytes.
        manifest: Hash32,
        /// The seal.
        seal: Box<Seal>,
    },
}

/// What one can ask sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncQuery {
    /// → `http::SyncStateView`
    State,
    /// On how many centrals (this one included) is each position durable → `[n, …]`.
    Holders(Vec<Position>),
    /// What is known of a range that is to be closed → [`RangeState`]
    Range(SeqRange),
    /// → `http::SpreadView`: how far the events held here have spread.
    Spread,
    /// → [`SyncPeers`]: what stands between this central and each peer.
    Peers,
    /// → [`super::reference::SyncReference`]: where reference documents come from.
    Reference,
}

/// What sync knows of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeState {
    /// How many of its positions are missing here.
    pub missing: u64,
    /// How many of them are known to exist: below the highest head anybody told of.
    pub known: u64,
    /// Connected peers that hold some of it.
    pub holders: Vec<CentralId>,
    /// Peers that are not connected and held some of it when last heard of.
    pub away: Vec<CentralId>,
}

/// Completeness per peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPeers {
    /// Events of this central's own that no peer is known to hold.
    pub held_only_here: u64,
    /// Per peer.
    pub peers: Vec<SyncPeer>,
    /// What this central is getting back.
    #[serde(default)]
    pub recovery: Option<crate::http::Recovery>,
    /// How far the events held here have spread; none until it was looked up.
    #[serde(default)]
    pub spread: Option<crate::http::SpreadView>,
    /// Alarms sync knows of.
    #[serde(default)]
    pub alarms: Vec<AlarmNow>,
}

/// Completeness of one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPeer {
    /// The peer.
    pub id: CentralId,
    /// I hold, it lacks.
    pub behind_events: u64,
    /// Its own, that I hold.
    pub held_events: u64,
}

/// Answer to a query: the JSON body, or the problem to pass on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryReply {
    /// The answer.
    Ok(Box<RawValue>),
    /// Refused or impossible.
    Problem(Problem),
}
