//! Stage 2: a fold per plate over its openings and exits in rank order. At most one session is open at a time.

use std::collections::BTreeMap;

use wire::event::{Body, Kind};
use wire::hash::PlateTag;

use super::conflict::ConflictKind;
use super::index::{Index, Ix};
use super::policy::{BUILT_IN_VERSION, Policies};
use super::stage1::Stage1;

/// Flag of an exit that returned the charge of an earlier, unconfirmed one.
pub(crate) const STANDING_CHARGE: &str = "standing_charge";

/// A session: the openings of one passage and the exits that acted on it.
#[derive(Debug)]
pub(super) struct Group {
    /// The vehicle.
    pub(super) tag: PlateTag,
    /// The first opening; of a session without entry, its first exit.
    pub(super) first: Ix,
    /// No opening is known.
    pub(super) no_entry: bool,
    /// Openings, the first included (none without entry).
    pub(super) openings: Vec<Ix>,
    /// Exits, in the order they were folded.
    pub(super) exits: Vec<Ix>,
    /// The exit that stands.
    pub(super) closed_by: Option<Ix>,
    /// The plate entered again.
    pub(super) superseded: bool,
    /// The exit that closed it named another session.
    pub(super) mismatch: bool,
    /// It was left more than once.
    pub(super) double_exit: bool,
    /// Of voided, soft-closed and reopened, about any of its openings, the one of highest rank.
    pub(super) act: Option<Ix>,
}

/// A conflict, in indices.
#[derive(Debug)]
pub(super) struct Clash {
    pub(super) kind: ConflictKind,
    pub(super) group: usize,
    /// In rank order.
    pub(super) sides: Vec<Ix>,
    pub(super) winner: Option<Ix>,
    pub(super) policy_version: i64,
    /// The duplicate window, ms, where it decided.
    pub(super) window_ms: Option<i64>,
}

impl Clash {
    /// A clash that no policy has a say in.
    pub(super) fn by_no_policy(kind: ConflictKind, group: usize, sides: Vec<Ix>, winner: Option<Ix>) -> Self {
        Self { kind, group, sides, winner, policy_version: BUILT_IN_VERSION, window_ms: None }
    }
}

/// What the fold of all plates gives.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) groups: Vec<Group>,
    /// The group of each passage that takes part.
    pub(super) group_of: Vec<Option<usize>>,
    pub(super) clashes: Vec<Clash>,
}

/// Folds every plate.
pub(super) fn fold(index: &Index<'_>, stage1: &Stage1, policies: &Policies) -> Folded {
    let mut plates: BTreeMap<PlateTag, Vec<(Ix, bool, Ix)>> = BTreeMap::new();
    for (i, fact) in index.iter() {
        if !fact.is_passage() || index.stands_for(i) != i {
            continue;
        }
        let Some(tag) = stage1.tag(index, i) else { continue };
        let key = match (fact.kind(), index.named(i)) {
            // An exit ranks no earlier than what it names.
            (Kind::Exit, Some(named)) if named > i => (named, true, i),
            (Kind::EntryPending, _) if !stage1.counts(index, i) => continue,
            _ => (i, false, i),
        };
        plates.entry(tag).or_default().push(key);
    }
    let mut out = Folded { group_of: vec![None; index.len()], ..Folded::default() };
    for (tag, mut passages) in plates {
        passages.sort_unstable();
        Fold { index, stage1, policies, tag, open: None, soft: None, last: None, out: &mut out }
            .run(&passages);
    }
    out
}

struct Fold<'a, 'f> {
    index: &'a Index<'f>,
    stage1: &'a Stage1,
    policies: &'a Policies,
    tag: PlateTag,
    /// The open session.
    open: Option<usize>,
    /// The session closed for counting, while nothing came after it.
    soft: Option<usize>,
    /// The newest session.
    last: Option<usize>,
    out: &'a mut Folded,
}

impl Fold<'_, '_> {
    fn run(mut self, passages: &[(Ix, bool, Ix)]) {
        for &(rank, _, i) in passages {
            self.close_for_counting(rank);
            if self.index.fact(i).kind() == Kind::EntryPending { self.opening(i) } else { self.exit(i) }
        }
    }

    /// A session soft-closed before this rank is open no more.
    fn close_for_counting(&mut self, rank: Ix) {
        if let Some(s) = self.open
            && let Some(act) = self.out.groups[s].act
            && act < rank
            && self.index.fact(act).kind() == Kind::SoftClosed
        {
            self.open = None;
            self.soft = Some(s);
        }
    }

    fn opening(&mut self, i: Ix) {
        if let Some(s) = self.open {
            let first = self.out.groups[s].first;
            let at = self.index.occurred_at(i);
            let (version, rule) = self.policies.at(at);
            let since = at.saturating_sub(self.index.occurred_at(first));
            let by_window = |kind, winner| Clash {
                kind,
                group: s,
                sides: vec![first, i],
                winner: Some(winner),
                policy_version: version,
                window_ms: Some(rule.duplicate_window_ms),
            };
            if since <= rule.duplicate_window_ms {
                self.clash(by_window(ConflictKind::DuplicateEntry, first));
                self.join(s, i);
                return;
            }
            self.out.groups[s].superseded = true;
            self.clash(by_window(ConflictKind::Reentry, i));
        }
        let s = self.new_group(i, false);
        self.join(s, i);
        self.open = Some(s);
        self.soft = None;
    }

    fn exit(&mut self, i: Ix) {
        let names_any = self.index.fact(i).header.opening.is_some();
        let named = self.index.named(i).and_then(|n| self.out.group_of[n]);
        let named = named.filter(|s| self.out.groups[*s].tag == self.tag);
        let reversed = self.stage1.abandoned(i);
        if let Some(s) = self.open {
            self.attach(s, i);
            if !reversed {
                self.out.groups[s].closed_by = Some(i);
                self.out.groups[s].mismatch = names_any && named != Some(s);
                self.open = None;
            }
            return;
        }
        if let Some(s) = self.soft
            && (!names_any || named == Some(s))
        {
            self.attach(s, i);
            if !reversed {
                self.out.groups[s].closed_by = Some(i);
                self.soft = None;
            }
            return;
        }
        match named {
            Some(s) => self.exit_of_closed(s, i, reversed),
            None => self.exit_without_entry(i, reversed),
        }
    }

    /// An exit that names a session that is not open.
    fn exit_of_closed(&mut self, s: usize, i: Ix, reversed: bool) {
        self.attach(s, i);
        let standing = self.out.groups[s].closed_by;
        let unconfirmed = standing.is_none_or(|e| self.stage1.told(e).confirmed.is_none());
        let stood_open = self.out.groups[s].no_entry && standing.is_none();
        if stood_open || (self.repeats_charge(i) && unconfirmed && standing.is_some()) {
            // The vehicle never passed the first lane: it leaves here, with the same charge.
            self.out.groups[s].closed_by = if reversed { None } else { Some(i) };
            if reversed && self.last == Some(s) && !self.out.groups[s].no_entry {
                self.open = Some(s);
            } else if reversed {
                self.out.groups[s].closed_by = standing;
            }
        } else if !reversed {
            self.out.groups[s].double_exit = true;
            let sides = standing.into_iter().chain([i]).collect();
            self.clash(Clash::by_no_policy(ConflictKind::DoubleExit, s, sides, standing));
        }
    }

    fn exit_without_entry(&mut self, i: Ix, reversed: bool) {
        let s = self.new_group(i, true);
        self.attach(s, i);
        if !reversed {
            self.out.groups[s].closed_by = Some(i);
            self.clash(Clash::by_no_policy(ConflictKind::ExitWithoutEntry, s, vec![i], None));
        }
    }

    fn repeats_charge(&self, exit: Ix) -> bool {
        matches!(self.index.body(exit), Some(Body::Exit(e)) if e.flags.iter().any(|f| f == STANDING_CHARGE))
    }

    fn new_group(&mut self, first: Ix, no_entry: bool) -> usize {
        let s = self.out.groups.len();
        self.out.groups.push(Group {
            tag: self.tag,
            first,
            no_entry,
            openings: Vec::new(),
            exits: Vec::new(),
            closed_by: None,
            superseded: false,
            mismatch: false,
            double_exit: false,
            act: None,
        });
        self.last = Some(s);
        s
    }

    fn join(&mut self, s: usize, opening: Ix) {
        self.out.group_of[opening] = Some(s);
        let group = &mut self.out.groups[s];
        group.openings.push(opening);
        group.act = group.act.max(self.stage1.told(opening).act);
    }

    fn attach(&mut self, s: usize, exit: Ix) {
        self.out.group_of[exit] = Some(s);
        self.out.groups[s].exits.push(exit);
    }

    fn clash(&mut self, mut clash: Clash) {
        clash.sides.sort_unstable();
        self.out.clashes.push(clash);
    }
}
