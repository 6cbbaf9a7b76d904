//! What the writer keeps in memory: a copy of what it committed. After anything unexpected all of it is thrown away and
//! loaded anew.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use parking::fact::Fact;
use parking::history::Policies;
use parking::lane_book::{self, LaneBook};
use parking::lanes::{self, LaneRows};
use parking::plate::PlateKey;
use parking::rights::Register;
use parking::world::World;
use replication::clock::Witness;
use replication::log::Writer;
use replication::positions::Positions;
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;
use wire::position::{Position, StreamHoldings, StreamId};

use crate::closure;
use crate::inside::Inside;
use crate::later::Later;
use crate::log::Log;
use crate::recent::Recent;
use crate::writes::Writes;

/// Arrivals looked through for recent passages at most.
const LANE_EVENTS: i64 = 20_000;
/// Vehicles of these read at once.
const VEHICLES_AT_ONCE: usize = 256;

/// See the module.
#[derive(Debug, Clone)]
pub struct State {
    /// The stretch of arrival numbers that began when the lock was taken.
    pub epoch: String,
    /// What is held.
    pub positions: Positions,
    /// What was committed last, and the stream this writer appends to.
    pub writer: Writer,
    /// Rules of the projection.
    pub policies: Policies,
    policy_facts: Vec<Fact>,
    /// Lists, passes given here, anti-passback, corrections of counts.
    pub register: Arc<Register>,
    register_facts: Vec<Fact>,
    /// What is known of this machine's clock. Empty after loading: the caller keeps it, and looks at the clocks.
    pub clock: Witness,
    /// Recent passages by lane.
    pub lanes: LaneRows,
    /// Vehicles whose rows lack stored events.
    pub later: Later,
    /// How lanes work, and what they were told.
    pub book: LaneBook,
    /// Vehicles of the last rounds.
    pub(crate) recent: Recent,
    /// Plates that may be inside.
    pub(crate) inside: Inside,
}

impl State {
    /// Loads everything; the lock is held.
    ///
    /// # Errors
    /// A read failed.
    pub async fn load<L: Log>(
        log: &mut L,
        central: &CentralId,
        epoch: String,
        edges: &HashSet<String>,
        now: i64,
    ) -> Result<Self, L::Error> {
        let committed = log.head().await?;
        let policy_facts = log.policies().await?;
        let behind = log.behind().await?;
        let waiting = match behind {
            Some(arrival) => log.tags_since(arrival).await?,
            None => BTreeSet::new(),
        };
        let policies = Policies::of(&policy_facts);
        let register_facts = log.register().await?;
        let mut state = Self {
            epoch,
            positions: log.streams().await?,
            writer: Writer::take_over(central.clone(), committed),
            register: Arc::new(Register::of(&register_facts, policies.offsets())),
            register_facts,
            policies,
            policy_facts,
            clock: Witness::default(),
            lanes: LaneRows::default(),
            later: Later::resume(behind, waiting),
            book: LaneBook::of(&log.lane_events(now - lane_book::REMEMBERED_MS).await?),
            recent: Recent::new(log.awaited().await?),
            inside: Inside::default(),
        };
        let recent = log.lately(committed.arrival - LANE_EVENTS, now - lanes::KEPT_MS).await?;
        let recent: Vec<PlateTag> = recent.into_iter().collect();
        // Some at a time: the cars of a busy hour, all in memory with their events, were 150 MiB.
        for some in recent.chunks(VEHICLES_AT_ONCE) {
            let mut world = World::new(state.policies.clone());
            for f in closure::load(log, &some.iter().copied().collect(), Vec::new()).await? {
                world.add(f, true);
            }
            state.lanes.note(&world.finish(), edges, now);
        }
        Ok(state)
    }

    /// The events that say how others are judged.
    pub fn rules(&self) -> &[Fact] {
        &self.policy_facts
    }

    /// A policy or a clock's offset came in, or the erased form of one.
    pub fn add_policy(&mut self, fact: Fact) {
        self.policy_facts.retain(|f| f.hash != fact.hash);
        self.policy_facts.push(fact);
        self.policies = Policies::of(&self.policy_facts);
        // A clock that was wrong changes ranks here too.
        self.register = Arc::new(Register::of(&self.register_facts, self.policies.offsets()));
    }

    /// An event of the register came in, or the erased form of one.
    pub fn add_to_register(&mut self, fact: Fact) {
        if fact.body.is_none() {
            self.register_facts.retain(|f| f.hash != fact.hash);
            self.register = Arc::new(Register::of(&self.register_facts, self.policies.offsets()));
            return;
        }
        Arc::make_mut(&mut self.register).note(&fact, self.policies.offsets());
        self.register_facts.push(fact);
    }

    /// The transaction went through. `lanes`: edges of this central's own lanes.
    pub fn committed(&mut self, writes: &Writes, lanes: &HashSet<String>) {
        self.writer.moved_to(writes.to);
        self.later.committed(writes);
        self.lanes.note(&writes.projection, lanes, writes.now);
        self.inside.committed(&writes.projection);
        let positions = &self.positions;
        self.recent.committed(writes, |p| positions.get(&p.stream).is_some_and(|s| s.holds(p.seq)));
    }

    /// Vehicles kept of the last rounds, with all their stored facts; and the openings that stored facts name and that are not held.
    /// For those who check that this is what is stored.
    pub fn kept(&self) -> (impl Iterator<Item = (PlateTag, &[Arc<Fact>])>, &HashSet<Position>) {
        self.recent.all()
    }

    /// Rows of the store were written by somebody else than a round: what is kept of them is read again.
    pub fn distrust(&mut self) {
        self.recent.clear();
        self.inside.clear();
    }

    /// Plates that may be inside, where they are kept: at least those that are. For those who check that this is what is stored.
    pub fn may_be_inside(&self) -> Option<&HashSet<PlateKey>> {
        self.inside.kept()
    }

    /// What is held of a stream, as it travels.
    pub fn holdings(&self, stream: &StreamId) -> StreamHoldings {
        self.positions.get(stream).map_or_else(
            || StreamHoldings {
                stream: stream.clone(),
                head: 0,
                head_hash: Hash32::default(),
                gaps: Vec::new(),
                forks: Vec::new(),
            },
            |s| s.to_holdings(stream),
        )
    }
}
