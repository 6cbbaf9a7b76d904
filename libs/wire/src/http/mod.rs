//! HTTP bodies, as lanes, people and integrators see them. Absent values are `null`. Times are RFC 3339 in the Place's offset,
//! money is integer VND.

mod access;
mod admin;
mod audit;
mod bundle;
mod keeping;
mod lane;
mod lane_control;
mod p2p;
mod parking;
mod policy;
mod problem;
mod reference;
mod rights;

pub use access::{
    ActView, GrantState, GrantView, KeyRequest, KeyView, NewKey, NewToken, TokenRequest, TokenView,
};
pub use admin::{EdgeList, EdgeView};
pub use audit::{AuditCompared, AuditDay, AuditFinding, AuditProgress, AuditStarted, AuditState, AuditView};
pub use bundle::{BundleImport, BundleStream, BundleView};
pub use keeping::{
    LostRange, LostRanges, LostState, LowWaterView, MonthView, SpreadView, Storage, StorageView,
};
pub use lane::{
    BarrierWish, BatchItem, BatchRequest, BatchResult, Candidate, CloseRequest, Closed, Decision,
    DecisionKind, Degraded, Detection, DetectionLane, Direction, EntryCandidate, LaneDecision, LaneRequest,
    Payment, PlateView, Suggestion,
};
pub use lane_control::{
    LaneCommandOut, LaneCommandRequest, LaneCommandState, LaneCommandView, LaneModeRequest, LaneModeView,
    NextForLane, ResolveRequest, ResolvedView, Unresolved, UnresolvedItem, UnresolvedKind,
};
pub use p2p::{
    Alarm, MeshStatus, Mode, PeerState, PeerView, Recovery, RecoveryState, Status, SyncPeerView,
    SyncStateView, TestConnection, TestStage,
};
pub use parking::{
    Conflict, ConflictCandidate, EventView, Explanation, FeeCalculation, FeeLine, Occupancy, Page,
    PlaceOccupancy, Quote, RateTableView, RightView, Session, SessionDetail, SessionStatus, StreamEvent,
    StreamPage,
};
pub use policy::{
    BeforeAfter, PolicyAnswer, PolicyList, PolicyRequest, PolicyView, Replay, ReplayRequest,
    SessionDifference, SessionOutcome,
};
pub use problem::{FieldError, Problem};
pub use reference::{PassView, ReferenceError, ReferencePage, ReferencePeer, ReferenceStatus, StaffView};
pub use rights::{
    HeldPassView, ListEntries, ListEntryRequest, ListEntryView, OccupancyCorrectionRequest,
    OccupancyCorrectionView, OccupancyCorrections, PassList, PassRequest, Passback, PassbackModeView,
    PassbackRequest, PassbackView, RegisterView,
};
