//! Subjects. One NATS server per central, so no central's name is in them.

/// gateway → ledger, request/reply: [`super::command::CommandEnvelope`] → [`super::command::CommandReply`] (JSON).
pub const LEDGER_COMMAND: &str = "pm.ledger.command";
/// anyone → ledger, request/reply: [`super::query::LedgerQuery`] → [`super::query::QueryReply`] (JSON).
pub const LEDGER_QUERY: &str = "pm.ledger.query";
/// mesh, sync → ledger, request/reply: [`super::events::Apply`] → [`super::events::ApplyReply`] (postcard).
pub const LEDGER_APPLY: &str = "pm.ledger.apply";
/// sync, mesh → ledger, request/reply: [`super::events::Fetch`] → [`super::events::Fetched`] (postcard).
pub const LEDGER_FETCH: &str = "pm.ledger.fetch";
/// sync → ledger, request/reply: [`crate::audit::AuditAsk`] → [`crate::audit::AuditSay`] (postcard).
pub const LEDGER_AUDIT: &str = "pm.ledger.audit";
/// sync → ledger, request/reply: [`super::reference::ReferenceAsk`] → [`super::reference::ReferenceSay`] (postcard).
pub const LEDGER_REFERENCE: &str = "pm.ledger.reference";
/// gateway → ledger, request/reply: [`super::access::AccessAsk`] → [`super::query::QueryReply`] (JSON).
pub const LEDGER_ACCESS: &str = "pm.ledger.access";
/// Queue group of every ledger subject: a standby takes over without anyone asking.
pub const LEDGER_GROUP: &str = "ledger";

/// ledger → mesh, publish: local events right after their commit, [`super::events::EventBatch`] (postcard).
pub const EVENTS_COMMITTED: &str = "pm.events.committed";
/// ledger → gateway, sync, publish: every newly stored event of any origin, [`super::state::Stored`] (JSON).
pub const EVENTS_STORED: &str = "pm.events.stored";

/// gateway → ledger, publish, when something changed: [`super::lanes::LanesHeard`] (JSON).
pub const LANES_HEARD: &str = "pm.lanes.heard";

/// sync → mesh, publish: [`super::events::ToPeer`] (postcard).
pub const MESH_SEND: &str = "pm.mesh.send";
/// mesh → sync, publish: [`super::events::FromPeer`] (postcard).
pub const MESH_RECEIVED: &str = "pm.mesh.received";
/// anyone → mesh, request/reply: [`super::query::MeshQuery`] → [`super::query::QueryReply`] (JSON).
pub const MESH_QUERY: &str = "pm.mesh.query";
/// mesh → everyone, publish, on change and every second: [`super::state::MeshState`] (JSON).
pub const MESH_STATE: &str = "pm.mesh.state";

/// anyone → sync, request/reply: [`super::query::SyncQuery`] → [`super::query::QueryReply`] (JSON).
pub const SYNC_QUERY: &str = "pm.sync.query";
/// gateway → sync, request/reply: [`super::bundle::BundleAsk`] → [`super::bundle::BundleReply`] (postcard).
pub const SYNC_BUNDLE: &str = "pm.sync.bundle";
/// sync → everyone, publish, on change and every second: [`super::state::SyncState`] (JSON).
pub const SYNC_STATE: &str = "pm.sync.state";

/// No bus message is larger, bytes.
pub const MAX_MESSAGE_BYTES: usize = 768 * 1024;
