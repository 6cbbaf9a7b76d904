//! The vehicles a round works on, in memory: facts grouped into components (those that share a plate tag or name one another),
//! each with its projection. Commands of one round see each other's effects here before anything is committed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use foldhash::{HashMap, HashSet};

use crate::fact::Fact;
use crate::history::{EventRef, HistoryRow, Policies, Projection, project};
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;
use wire::position::Position;

#[derive(Debug, Default)]
struct Component {
    facts: Vec<Fact>,
    projection: Option<Projection>,
    /// Something of this round is in it: its rows must be written.
    touched: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct World {
    components: Vec<Component>,
    by_tag: HashMap<PlateTag, usize>,
    by_position: HashMap<Position, usize>,
    seen: HashSet<Hash32>,
    policies: Policies,
    failed: usize,
}

impl World {
    /// An empty world under these policies.
    pub fn new(policies: Policies) -> Self {
        Self { policies, ..Self::default() }
    }

    /// Takes a fact in. The first form of an event stands (an erased form must come before the stored full one).
    pub fn add(&mut self, fact: Fact, touched: bool) {
        if fact.foreign || !self.seen.insert(fact.hash) {
            return;
        }
        let own = fact.is_passage().then_some(&fact.header.position);
        let named = fact.header.opening.as_ref();
        let mut homes: Vec<usize> = fact.tag().iter().filter_map(|t| self.by_tag.get(t).copied()).collect();
        homes.extend(own.into_iter().chain(named).filter_map(|p| self.by_position.get(p).copied()));
        homes.sort_unstable();
        homes.dedup();
        let home = match homes.first() {
            Some(first) => *first,
            None => {
                self.components.push(Component::default());
                self.components.len() - 1
            }
        };
        for other in homes.into_iter().skip(1) {
            self.join(home, other);
        }
        self.register(&fact, home);
        if let Some(c) = self.components.get_mut(home) {
            c.facts.push(fact);
            c.projection = None;
            c.touched |= touched;
        }
    }

    fn register(&mut self, fact: &Fact, home: usize) {
        if let Some(tag) = fact.tag() {
            self.by_tag.insert(tag, home);
        }
        let own = fact.is_passage().then_some(&fact.header.position);
        for p in own.into_iter().chain(&fact.header.opening) {
            if self.by_position.get(p) != Some(&home) {
                self.by_position.insert(p.clone(), home);
            }
        }
    }

    fn join(&mut self, home: usize, other: usize) {
        let Some(taken) = self.components.get_mut(other).map(std::mem::take) else { return };
        for f in &taken.facts {
            self.register(f, home);
        }
        if let Some(c) = self.components.get_mut(home) {
            c.touched |= taken.touched;
            c.facts.extend(taken.facts);
            c.projection = None;
        }
    }

    fn projected(&mut self, i: usize) {
        if let Some(c) = self.components.get_mut(i)
            && c.projection.is_none()
        {
            // A fault in the rules must not stop the log: these vehicles are left out, the same at every central.
            let made = catch_unwind(AssertUnwindSafe(|| project(&c.facts, &self.policies)));
            c.projection = Some(made.unwrap_or_else(|_| {
                self.failed += 1;
                Projection { tags: c.facts.iter().filter_map(Fact::tag).collect(), ..Projection::default() }
            }));
        }
    }

    /// Projects whatever belongs to these tags, so that [`Self::view`] can show it.
    pub fn prepare(&mut self, tags: &[PlateTag]) {
        for i in self.indices(tags) {
            self.projected(i);
        }
    }

    fn indices(&self, tags: &[PlateTag]) -> Vec<usize> {
        let mut all: Vec<usize> = tags.iter().filter_map(|t| self.by_tag.get(t).copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The projection of all that belongs to these tags (prepared before).
    pub fn view(&self, tags: &[PlateTag]) -> std::borrow::Cow<'_, Projection> {
        let parts: Vec<&Projection> =
            self.indices(tags).into_iter().filter_map(|i| self.components[i].projection.as_ref()).collect();
        match parts[..] {
            [one] => std::borrow::Cow::Borrowed(one),
            _ => std::borrow::Cow::Owned(merge(parts)),
        }
    }

    /// The open row of a vehicle (prepared before).
    pub fn open_of(&self, tag: PlateTag) -> Option<&HistoryRow> {
        let i = *self.by_tag.get(&tag)?;
        self.components.get(i)?.projection.as_ref()?.open_of(tag)
    }

    /// Every open row prepared so far.
    pub fn open_rows(&self) -> impl Iterator<Item = &HistoryRow> {
        self.components
            .iter()
            .filter_map(|c| c.projection.as_ref())
            .flat_map(|p| &p.rows)
            .filter(|r| r.is_open())
    }

    /// The facts of a component.
    pub fn facts_of(&self, tag: PlateTag) -> &[Fact] {
        self.by_tag.get(&tag).and_then(|i| self.components.get(*i)).map_or(&[], |c| &c.facts)
    }

    /// Touched rows whose charge, made by this central, was not made from the entry that is now known, with their facts.
    pub fn late_charges(&mut self, this: &CentralId) -> Vec<(HistoryRow, Vec<Fact>)> {
        let mut out = Vec::new();
        for i in 0..self.components.len() {
            if !self.components[i].touched {
                continue;
            }
            self.projected(i);
            let c = &self.components[i];
            for row in c.projection.iter().flat_map(|p| &p.rows) {
                let ours = row.exit.as_ref().is_some_and(|e| e.position.stream.central == *this);
                if ours && row.flags.iter().any(|f| f == "late_basis") {
                    out.push((row.clone(), c.facts.clone()));
                }
            }
        }
        out
    }

    /// Components whose projection panicked and that were left out: to be logged, and never to happen.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Projects everything this round touched.
    pub fn finish(&mut self) -> Projection {
        for i in 0..self.components.len() {
            if self.components[i].touched {
                self.projected(i);
            }
        }
        merge(self.components.iter_mut().filter(|c| c.touched).filter_map(|c| c.projection.take()))
    }
}

fn merge(parts: impl IntoIterator<Item = impl Take>) -> Projection {
    let mut all = Projection::default();
    for p in parts {
        p.take_into(&mut all);
    }
    all.rows.sort_by(|a, b| a.opening.cmp(&b.opening));
    all.conflicts.sort_by_key(|c| c.id);
    all
}

/// Moves or copies a projection into another.
trait Take {
    fn take_into(self, all: &mut Projection);
}

impl Take for Projection {
    fn take_into(mut self, all: &mut Projection) {
        all.rows.append(&mut self.rows);
        all.conflicts.append(&mut self.conflicts);
        all.tags.append(&mut self.tags);
        all.corrected.append(&mut self.corrected);
    }
}

impl Take for &Projection {
    fn take_into(self, all: &mut Projection) {
        all.rows.extend_from_slice(&self.rows);
        all.conflicts.extend_from_slice(&self.conflicts);
        all.tags.extend(&self.tags);
        all.corrected.extend(&self.corrected);
    }
}

/// Names an event.
pub fn reference(fact: &Fact) -> EventRef {
    EventRef { position: fact.header.position.clone(), hash: fact.hash }
}
