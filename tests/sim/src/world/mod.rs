//! A world: centrals, links and lanes in virtual time, driven by one queue of moments.
//!
//! Everything that happens is a [`Moment`]; between two of them nothing moves. Chance comes from the seed alone, order from
//! (time, number): the same seed is the same run, step by step.

mod bus;
mod dial;
#[expect(missing_docs, reason = "a variant says what its fields are")]
mod event;
mod faults;
mod ledger;
mod link;
mod mesh;
mod node;
mod rest;
mod sync;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use parking::reference::Reference;
use wire::id::CentralId;

use crate::chance::Chance;
use crate::check::{Gists, Registry, Violation};
use crate::exam::Exam;
use crate::plan::Plan;
use crate::shapes::Tally;
use crate::sometimes::{Rare, Sometimes};
use crate::trace::Trace;
use crate::traffic::Traffic;

pub use crate::plan::Service;
use event::Timed;
pub use event::{Bus, Moment, Tick};
pub use link::{End, Link};
pub use node::{Clock, Node};

/// What a step may find wrong.
pub type Step = Result<(), Violation>;

/// The operator's key: the same at every central.
pub const OPERATOR_KEY: &[u8] = b"simulated-operator";
/// The wall clock at the beginning, ms since the epoch.
pub const BEGIN: i64 = 1_800_000_000_000;
/// A world that is not at rest after so long will never be, ms.
const REST_LIMIT: i64 = 600_000;
/// Everybody has heard what everybody holds so long after the last event, ms.
const TELL_MS: i64 = 3_000;
/// A world with more steps than this is stuck in a loop.
const STEP_LIMIT: u64 = 20_000_000;

/// The outside is asked so often whether the world may go on, steps.
const LOOK_EVERY: u64 = 64;

/// Chance by purpose.
#[derive(Debug)]
pub struct Chances {
    /// Ways of messages.
    pub net: Chance,
    /// Outcomes of faults.
    pub fault: Chance,
    /// Ids, salts, incarnations.
    pub id: Chance,
    /// What lanes do.
    pub lane: Chance,
}

/// What a world was like, for the report.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Moments worked off.
    pub steps: u64,
    /// Commands lanes sent, each once.
    pub commands: u64,
    /// Virtual time, ms.
    pub took_ms: i64,
    /// Events stored on any disk, each once.
    pub events: u64,
    /// Kinds of fault that happened (a restore without a backup did not).
    pub kinds: BTreeSet<&'static str>,
    /// Digest of the end: two runs of a seed must agree.
    pub digest: String,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    /// What the seed decided.
    pub plan: Plan,
    /// Virtual time, ms since the beginning.
    pub now: i64,
    queue: BinaryHeap<Timed>,
    next: u64,
    /// Chance.
    pub chance: Chances,
    /// Centrals, and copies of them.
    pub nodes: Vec<Node>,
    /// Links, dead ones too.
    pub links: Vec<Link>,
    blocked: BTreeMap<(usize, usize), u32>,
    slow: BTreeMap<usize, u32>,
    /// Lanes and cars.
    pub traffic: Traffic,
    /// Questions with known answers, once the world is at rest.
    pub(crate) exam: Exam,
    /// What was ever stored.
    pub registry: Registry,
    /// What was answered, by command.
    pub(crate) gists: Gists,
    /// Rare paths.
    pub rare: Sometimes,
    /// What happened, for people.
    pub trace: Trace,
    pub(crate) reference: Reference,
    /// Erased forms that every central must hear of.
    pub(crate) erasures: Vec<wire::event::Frame>,
    /// Full forms of them, on their way once more.
    pub(crate) echoes: Vec<wire::event::Frame>,
    /// Faults are over; the network is whole.
    pub healed: bool,
    /// Kinds of fault that happened at a moment.
    pub(crate) happened: BTreeSet<&'static str>,
    /// When something was stored last, ms.
    pub(crate) stored_at: i64,
    /// Two clocks or more were wrong at the same time: somebody may have seen a majority of wrong ones.
    pub(crate) clocks_disagreed: bool,
    /// What is counted while shapes are compared.
    pub tally: Option<Tally>,
    steps: u64,
}

impl World {
    /// The world of a plan, at its beginning.
    pub fn new(plan: Plan, tracing: bool) -> Result<Self, Violation> {
        let seed = plan.seed;
        let reference = Reference::built_in().map_err(|e| Violation::new("setup", e.to_string()))?;
        let mut lane = Chance::new(seed, "lane");
        let traffic = Traffic::draw(&plan, &mut lane);
        let mut w = Self {
            now: 0,
            queue: BinaryHeap::new(),
            next: 0,
            chance: Chances {
                net: Chance::new(seed, "net"),
                fault: Chance::new(seed, "fault"),
                id: Chance::new(seed, "id"),
                lane,
            },
            nodes: Vec::new(),
            links: Vec::new(),
            blocked: BTreeMap::new(),
            slow: BTreeMap::new(),
            traffic,
            exam: Exam::draw(seed),
            registry: Registry::new(plan.may_fork()),
            gists: Gists::default(),
            rare: Sometimes::default(),
            trace: Trace::new(tracing),
            reference,
            erasures: Vec::new(),
            echoes: Vec::new(),
            healed: false,
            happened: BTreeSet::new(),
            stored_at: 0,
            clocks_disagreed: false,
            tally: None,
            steps: 0,
            plan,
        };
        for n in 0..w.plan.nodes {
            let peers: BTreeSet<CentralId> = w.plan.peers[n].iter().map(|p| node::central(*p)).collect();
            w.nodes.push(Node::new(n, node::central(n), peers));
        }
        for n in 0..w.plan.nodes {
            for (i, service) in [Service::Ledger, Service::Mesh, Service::Sync].into_iter().enumerate() {
                w.at(i as i64 + n as i64 % 7, Moment::Start { node: n, service });
            }
        }
        for i in 0..w.plan.faults.len() {
            let at = w.plan.faults[i].at;
            w.at(at, Moment::Fault(i));
        }
        for (at, car) in w.traffic.arrivals() {
            w.at(at, Moment::Car { car });
        }
        let span = w.plan.span_ms;
        w.at(span + 5_000, Moment::Heal);
        Ok(w)
    }

    /// Something happens so many ms from now.
    pub fn at(&mut self, after: i64, moment: Moment) {
        self.next += 1;
        self.queue.push(Timed { at: self.now + after.max(0), n: self.next, moment });
    }

    /// A line of the trace.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        self.trace.say(self.now, self.steps, line);
    }

    /// A rare path ran.
    pub fn saw(&mut self, what: Rare) {
        self.rare.saw(what);
        self.trace.say(self.now, self.steps, || format!("  ** {}", what.name()));
    }

    /// Moments worked off so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Runs to the end: faults and traffic, healing, rest, and the checks at rest. `go_on` hears of the steps now and then;
    /// when it says no, the world has taken too long.
    pub fn run(&mut self, go_on: &mut dyn FnMut(u64) -> bool) -> Result<Summary, Violation> {
        let mut next_look = 0;
        while let Some(Timed { at, moment, .. }) = self.queue.pop() {
            self.now = at;
            self.steps += 1;
            if self.steps.is_multiple_of(LOOK_EVERY) && !go_on(self.steps) {
                return Err(Violation::new("time limit", format!("{} ms of virtual time so far", self.now)));
            }
            self.work(moment)?;
            if self.steps > STEP_LIMIT {
                return Err(Violation::new("liveness", "too many steps".to_owned()));
            }
            if self.healed && self.now >= next_look {
                next_look = self.now + 500;
                if self.at_rest() {
                    // What was stored a moment ago is told of in a moment.
                    if self.begin_exam() || self.now - self.stored_at < TELL_MS {
                        continue;
                    }
                    self.check_rest()?;
                    return Ok(self.summary());
                }
                if self.now > self.plan.span_ms + REST_LIMIT {
                    return Err(Violation::new("liveness", self.why_not_at_rest()));
                }
            }
        }
        Err(Violation::new("liveness", "nothing left to do before the world was at rest".to_owned()))
    }

    fn work(&mut self, moment: Moment) -> Step {
        match moment {
            Moment::Bus { node, to, life, message } => self.on_bus(node, to, life, *message),
            Moment::Net { link, end, bytes } => self.on_net(link, end, &bytes),
            Moment::Reset { link, end } => self.on_reset(link, end),
            Moment::Written { link, end } => self.on_written(link, end),
            Moment::DialFailed { node, life, dial } => self.on_dial_failed(node, life, dial),
            Moment::Start { node, service } => self.on_start(node, service),
            Moment::Tick { node, life, tick } => self.on_tick(node, life, tick),
            Moment::Committed { node, life } => self.on_committed(node, life),
            Moment::LoadState { node, life } => self.on_load(node, life),
            Moment::Timeout { node, service, life, request } => self.on_timeout(node, service, life, request),
            Moment::Standby { node, until } => self.on_standby(node, until),
            Moment::OldWriter { node } => {
                self.on_old_writer(node);
                Ok(())
            }
            Moment::Exam => self.on_exam(),
            Moment::Spread { command } => self.on_spread(command),
            Moment::Fault(i) => self.on_fault(i),
            Moment::Undo { fault, node } => self.on_undo(fault, node),
            Moment::Echo(i) => self.on_echo(i),
            Moment::Heal => self.on_heal(),
            Moment::Car { car } => self.on_car(car),
            Moment::Attempt { request } => self.on_attempt(request),
            Moment::Answered { attempt, reply } => self.on_answered(attempt, *reply),
            Moment::GaveUp { attempt } => self.on_gave_up(attempt),
        }
    }

    /// Kinds of fault that happened: those of a moment, those of the network's character, and queues that overflowed.
    fn kinds(&self) -> BTreeSet<&'static str> {
        let mut all = self.happened.clone();
        all.extend(self.plan.net.kinds());
        if self.rare.count(Rare::QueueDropped) + self.rare.count(Rare::LedgerQueueFull) > 0 {
            all.insert("full queue");
        }
        all
    }

    fn summary(&self) -> Summary {
        let digest = self.nodes.first().map(|n| n.store.rows.digest()).unwrap_or_default();
        Summary {
            steps: self.steps,
            commands: self.traffic.commands(),
            took_ms: self.now,
            events: self.registry.len() as u64,
            kinds: self.kinds(),
            digest: format!("{digest}-{}-{}", self.steps, self.now),
        }
    }
}
