//! The commands of a round, read, with what their answers hang on.

use std::collections::{BTreeSet, HashMap};

use parking::decision::{self, Dice, Prepared};
use parking::fact::Fact;
use parking::history::Policies;
use parking::lanes::LaneRows;
use parking::plate::{PlateKey, is_look_alike, is_one_away};
use parking::rights::{Counts, Register};
use parking::world::World;
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::hash::{CommandId, PlateTag};

use crate::here::{Here, Random};
use crate::inside::Inside;
use crate::log::Log;
use crate::work::{Asked, Outcome};
use crate::writes::Answer;

/// A command read, with what was loaded for it.
pub(crate) struct Case<'a> {
    /// Its place in the work.
    pub(crate) index: usize,
    pub(crate) asked: Asked<'a>,
    pub(crate) prepared: Prepared<'a>,
    /// All tags its projection covers.
    pub(crate) tags: Vec<PlateTag>,
    /// The tag of the card's open session.
    pub(crate) card: Option<PlateTag>,
    /// The session it names is one of its lane's: nobody need be asked whose it is.
    named: bool,
}

/// See the module.
pub(crate) struct Cases<'a> {
    pub(crate) cases: Vec<Case<'a>>,
    pub(crate) outcomes: Vec<Option<Outcome>>,
    pub(crate) answers: HashMap<CommandId, Answer>,
    pub(crate) earlier: HashMap<CommandId, Fact>,
    /// Events that commands speak of.
    pub(crate) subjects: HashMap<CommandId, Fact>,
}

/// A late delivery never opens a barrier, so that it may be recorded after the caller gave up.
fn is_late(e: &CommandEnvelope) -> bool {
    let (Command::Open { seen, .. } | Command::Detect { seen, .. }) = &e.command else { return false };
    seen.sent_at.zip(seen.captured_at).is_some_and(|(s, c)| s.saturating_sub(c) > parking::clock::LATE_MS)
}

impl<'a> Cases<'a> {
    /// Reads the commands. Those past their deadline, and those nobody can read, are answered already.
    pub(crate) fn read(
        commands: &[Asked<'a>],
        here: &Here<'_>,
        policies: &Policies,
        register: &Register,
        random: &mut impl Random,
    ) -> Self {
        let site = here.site(policies, register);
        let mut all = Self {
            cases: Vec::with_capacity(commands.len()),
            outcomes: Vec::with_capacity(commands.len()),
            answers: HashMap::new(),
            earlier: HashMap::new(),
            subjects: HashMap::new(),
        };
        for (index, asked) in commands.iter().enumerate() {
            let e = asked.envelope;
            if here.now > e.deadline && !is_late(e) {
                let late = CommandReply::Unavailable("the deadline has passed".to_owned());
                all.outcomes.push(Some(Outcome::Reply(late, None)));
                continue;
            }
            match decision::prepare(e, &site, Dice(random.bits())) {
                Ok(prepared) => {
                    let mut tags: Vec<PlateTag> = prepared.look.tags.clone();
                    tags.extend(prepared.look.event_id.as_deref().and_then(|id| here.tag_of_alias(id)));
                    all.outcomes.push(None);
                    all.cases.push(Case { index, asked: *asked, prepared, tags, card: None, named: false });
                }
                Err(problem) => {
                    all.outcomes.push(Some(Outcome::Reply(CommandReply::Refused(*problem), None)));
                }
            }
        }
        all
    }

    /// Loads what the answers hang on; adds the vehicles to load. `came`: facts of events this very round takes in; the event of a
    /// command's first answer may be among them.
    pub(crate) async fn load<L: Log>(
        &mut self,
        log: &mut L,
        now: i64,
        came: &[Fact],
        lanes: &LaneRows,
        tags: &mut BTreeSet<PlateTag>,
    ) -> Result<(), L::Error> {
        self.load_earlier(log, now, came).await?;
        self.load_subjects(log).await?;
        self.load_named(log, lanes).await?;
        for case in &mut self.cases {
            if let Some(id) = case.prepared.look.command
                && let Some(f) = self.earlier.get(&id)
            {
                case.tags.extend(f.tag());
            }
            // A closing that names no session is about one of its lane's.
            if let Command::Close { lane, event_id: None, .. } = &case.prepared.envelope.command {
                case.tags.extend(lanes.of(&lane.edge_id).iter().map(|r| r.plate_tag));
            }
            case.tags.sort_unstable();
            case.tags.dedup();
            tags.extend(case.tags.iter().copied().chain(case.card));
        }
        Ok(())
    }

    /// Answers given before, and events of the same commands.
    async fn load_earlier<L: Log>(&mut self, log: &mut L, now: i64, came: &[Fact]) -> Result<(), L::Error> {
        let ids: Vec<CommandId> = self.cases.iter().filter_map(|c| c.prepared.command_id).collect();
        let looked: Vec<CommandId> = self.cases.iter().filter_map(|c| c.prepared.look.command).collect();
        if ids.is_empty() && looked.is_empty() {
            return Ok(());
        }
        let (answers, mut facts) = log.answered(&ids, &looked, now).await?;
        self.answers.extend(answers.into_iter().map(|a| (a.command, a)));
        let open: Vec<CommandId> = looked.into_iter().filter(|id| !self.answers.contains_key(id)).collect();
        if !open.is_empty() {
            facts.retain(|f| f.header.command_id.is_some_and(|id| open.contains(&id)));
            let asked = |f: &&Fact| f.header.command_id.is_some_and(|id| open.contains(&id));
            facts.extend(came.iter().filter(asked).cloned());
            facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
            for fact in facts {
                if let Some(id) = fact.header.command_id {
                    // The lowest-ranked stands.
                    self.earlier.entry(id).or_insert(fact);
                }
            }
        }
        Ok(())
    }

    /// Events that commands speak of.
    async fn load_subjects<L: Log>(&mut self, log: &mut L) -> Result<(), L::Error> {
        let ids: Vec<CommandId> = self.cases.iter().filter_map(|c| c.prepared.look.subject).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let (_, mut facts) = log.answered(&[], &ids, 0).await?;
        facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
        for fact in facts {
            if let Some(id) = fact.header.command_id {
                self.subjects.entry(id).or_insert(fact);
            }
        }
        Ok(())
    }

    /// Sessions named by a card or by an alias. Most aliases come from the lane that opened for the session a moment ago.
    async fn load_named<L: Log>(&mut self, log: &mut L, lanes: &LaneRows) -> Result<(), L::Error> {
        for case in &mut self.cases {
            if let (Some(name), Some(lane)) = (&case.prepared.look.event_id, &case.prepared.look.lane)
                && let Some(row) = lanes.of(lane).iter().find(|r| r.event_id == *name)
            {
                case.tags.push(row.plate_tag);
                case.named = true;
            }
        }
        let cards: Vec<_> = self.cases.iter().filter_map(|c| c.prepared.look.credential.as_ref()).collect();
        let mut of_card = if cards.is_empty() { Vec::new() } else { log.by_card(&cards).await? }.into_iter();
        let unknown = |c: &&Case<'_>| !c.named;
        let names = self.cases.iter().filter(unknown).filter_map(|c| c.prepared.look.event_id.as_deref());
        let names: Vec<_> = names.collect();
        let mut of_name = if names.is_empty() { Vec::new() } else { log.by_name(&names).await? }.into_iter();
        for case in &mut self.cases {
            let look = &case.prepared.look;
            if look.credential.is_some() {
                case.card = of_card.next().flatten();
            }
            if look.event_id.is_some() && !case.named {
                case.tags.extend(of_name.next().flatten());
            }
        }
        Ok(())
    }

    /// Vehicles that share a pass with a session a command may turn out to be about though it is of another plate: one that staff
    /// picked, the card's, one with a plate near by. Adds them to the commands' own.
    pub(crate) fn sharers(
        &mut self,
        here: &Here<'_>,
        (policies, register): (&Policies, &Register),
        near: &BTreeSet<PlateTag>,
        world: &mut World,
    ) -> BTreeSet<PlateTag> {
        let site = here.site(policies, register);
        let mut all = BTreeSet::new();
        for case in self.cases.iter_mut().filter(|c| c.prepared.look.near) {
            let look = &case.prepared.look;
            let meant: Vec<PlateTag> = case.tags.iter().chain(near).chain(&case.card).copied().collect();
            world.prepare(&meant);
            let view = world.view(&meant);
            let others = view.rows.iter().filter(|r| !look.tags.contains(&r.plate_tag));
            let keys: BTreeSet<&str> = others.filter_map(|r| r.plate_key.as_deref()).collect();
            let keys = keys.into_iter().filter_map(|k| PlateKey::new(k).ok());
            let sharing: Vec<PlateTag> = keys.flat_map(|k| decision::shared_passes(&k, &site)).collect();
            all.extend(&sharing);
            case.tags.extend(sharing);
            case.tags.sort_unstable();
            case.tags.dedup();
        }
        all
    }

    /// Vehicles inside, where a command asks for it.
    pub(crate) async fn inside<L: Log>(&self, log: &mut L, register: &Register) -> Result<Counts, L::Error> {
        if !self.cases.iter().any(|c| c.prepared.look.counts) {
            return Ok(Counts::default());
        }
        let mut counts = log.inside().await?;
        register.correct(&mut counts);
        Ok(counts)
    }

    /// Vehicles that could be meant by commands that find no open session under their own plate: those that may be inside with a plate
    /// near it.
    pub(crate) async fn near<L: Log>(
        &self,
        log: &mut L,
        inside: &mut Inside,
        here: &Here<'_>,
        world: &mut World,
    ) -> Result<BTreeSet<PlateTag>, L::Error> {
        let mut wanted: Vec<&PlateKey> = Vec::new();
        let mut tags = BTreeSet::new();
        let mut without_plate = false;
        for case in self.cases.iter().filter(|c| c.prepared.look.near) {
            let Some(tag) = case.prepared.look.tags.first() else { continue };
            world.prepare(&[*tag]);
            if world.open_of(*tag).is_some() {
                continue;
            }
            if case.prepared.plate.as_ref().is_some_and(|p| p.key.is_none()) {
                without_plate = true;
                continue;
            }
            wanted.extend(&case.prepared.key);
            // Another reading of the camera need not be near the first.
            tags.extend(case.prepared.candidates.iter().map(|k| here.tag(k.as_str())));
        }
        if wanted.is_empty() && !without_plate {
            return Ok(tags);
        }
        for key in inside.keys(log).await? {
            let near = wanted.iter().any(|k| is_look_alike(k, key) || is_one_away(k, key));
            if near || (without_plate && key.is_generated()) {
                tags.insert(here.tag(key.as_str()));
            }
        }
        Ok(tags)
    }
}
