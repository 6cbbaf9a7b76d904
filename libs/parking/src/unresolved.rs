//! Manual vends and passages that belong to no session: what a person still has to explain.

use std::collections::{BTreeMap, HashSet};

use wire::event::{Body, LaneMode, LaneOrder, StaffFact};
use wire::hash::CommandId;
use wire::http::{Direction, LaneCommandState, UnresolvedKind};
use wire::id::CentralId;

use crate::fact::Fact;
use crate::lane_book::LaneBook;

/// Something to explain. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexplained {
    /// To resolve it by.
    pub id: CommandId,
    /// What it is.
    pub kind: UnresolvedKind,
    /// Where.
    pub central: CentralId,
    /// The lane's edge.
    pub edge_id: String,
    /// When.
    pub occurred_at: i64,
    /// The way a vehicle went.
    pub direction: Option<Direction>,
    /// The session it followed.
    pub event_id: Option<String>,
    /// How the lane worked.
    pub mode: LaneMode,
    /// What became of a vend.
    pub state: Option<LaneCommandState>,
    /// Who, of a vend, and why.
    pub staff: Option<StaffFact>,
}

/// True for what can be resolved: an `open` for no session, or a passage without opening.
#[must_use]
pub fn can_be(fact: &Fact) -> bool {
    match fact.body.as_deref() {
        Some(Body::LaneCommanded(b)) => b.order == LaneOrder::Open && b.event_id.is_none(),
        Some(Body::UnopenedPassage(_)) => true,
        _ => false,
    }
}

/// What these events leave to explain, newest first. A vend the lane never did leaves nothing; one of which nothing was heard does.
#[must_use]
pub fn list<'f>(facts: impl IntoIterator<Item = &'f Fact> + Clone) -> Vec<Unexplained> {
    let book = LaneBook::of(facts.clone());
    let mut resolved: HashSet<CommandId> = HashSet::new();
    let mut open: BTreeMap<CommandId, (i64, &Fact)> = BTreeMap::new();
    for f in facts {
        if let Some(Body::PassageResolved(b)) = f.body.as_deref() {
            resolved.insert(b.subject);
        }
        let (Some(id), true) = (f.header.command_id, can_be(f)) else { continue };
        let first = open.entry(id).or_insert((f.header.occurred_at, f));
        if f.rank() < first.1.rank() {
            *first = (f.header.occurred_at, f);
        }
    }
    let mut out: Vec<Unexplained> = open
        .into_iter()
        .filter(|(id, _)| !resolved.contains(id))
        .filter_map(|(id, (_, f))| item(id, f, &book))
        .collect();
    out.sort_by(|a, b| b.occurred_at.cmp(&a.occurred_at).then(b.id.cmp(&a.id)));
    out
}

fn item(id: CommandId, fact: &Fact, book: &LaneBook) -> Option<Unexplained> {
    let (central, occurred_at) = (fact.position().stream.central.clone(), fact.header.occurred_at);
    match fact.body.as_deref()? {
        Body::LaneCommanded(b) => {
            let state = book.fate(id).state();
            let happened =
                matches!(state, LaneCommandState::Sent | LaneCommandState::Done | LaneCommandState::NoAnswer);
            happened.then(|| Unexplained {
                id,
                kind: UnresolvedKind::ManualVend,
                central,
                edge_id: b.edge_id.clone(),
                occurred_at,
                direction: None,
                event_id: None,
                mode: LaneMode::Normal,
                state: Some(state),
                staff: Some(b.staff.clone()),
            })
        }
        Body::UnopenedPassage(b) => Some(Unexplained {
            id,
            kind: if b.tailgate { UnresolvedKind::Tailgate } else { UnresolvedKind::PassageWithoutOpening },
            central,
            edge_id: b.edge_id.clone(),
            occurred_at,
            direction: Some(b.direction),
            event_id: b.event_id.clone(),
            mode: b.mode,
            state: None,
            staff: None,
        }),
        _ => None,
    }
}
