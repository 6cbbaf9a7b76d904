//! A round in memory.

use ::writer::{Asked, Brought, Here, Notice, Outcome, Work, run};
use parking::decision::PinCheck;
use replication::clock::Reading;
use wire::bus::command::CommandReply;

use super::Todo;
use crate::check::Violation;
use crate::ledger::{CommandJob, Reads, Round, at_once};
use crate::sometimes::Rare;
use crate::world::{Moment, OPERATOR_KEY, Service, Step, World};

/// A transaction on a slow disk takes so long, ms.
const SLOW_MS: (i64, i64) = (300, 1_500);

impl World {
    pub(super) fn begin(&mut self, node: usize, todo: Todo) -> Step {
        let Todo { commands, live, mut page, sweep, anew, later } = todo;
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(l) = &mut n.ledger else { return Ok(()) };
        let Some(state) = &mut l.state else { return Ok(()) };
        let now_ms = n.clock.shows(now);
        let reading = Reading { wall_ms: now_ms, steady_ms: now };
        let covers = state.clock.observe(reading, l.measure);
        let here = Here {
            central: &n.central,
            operator_key: OPERATOR_KEY,
            clock_offset_ms: state.clock.offset_ms(),
            covers: &covers,
            reference: &self.reference,
            lots: &[],
            view: &n.view,
            lanes: &n.edges,
            catching_up: l.catching_up,
            now: now_ms,
            read: n.release.reader(),
        };
        let asked = |j| -> Asked<'_> {
            let j: &CommandJob = j;
            Asked { envelope: &j.envelope, peers_asked: j.peers_asked, pin: PinCheck::NotChecked }
        };
        let applies = match &page {
            Some(p) => vec![Brought { from: &p.job.from, events: &p.job.events[p.chunk()] }],
            None => live.iter().map(|j| Brought { from: &j.from, events: &j.events }).collect(),
        };
        let came = applies.iter().flat_map(|b| b.events);
        let wanted = crate::check::wanted(&n.store, &commands, came, now_ms);
        let last = anew.last().copied().filter(|_| !later);
        let bulk = page.as_ref().is_some_and(|p| p.bulk);
        let work = Work { commands: commands.iter().map(asked).collect(), applies, sweep, anew, bulk };
        let mut done = at_once(run(&mut Reads(&n.store), state, &here, &mut self.chance.id, &work));
        if let Some(p) = &mut page {
            p.took(std::mem::take(&mut done.replies));
        }
        let mut round = Round { done, commands, live, page, told: Vec::new(), anew: last };
        self.note_round(node, &round)?;
        round.told = self.check_outcomes(node, &round, wanted)?;
        let nothing = round.done.writes.is_empty();
        let n = &self.nodes[node];
        let took = match nothing {
            true => 0,
            false if now < n.slow_disk_to => {
                self.rare.saw(Rare::SlowCommit);
                self.chance.net.between(SLOW_MS.0, SLOW_MS.1)
            }
            false => self.chance.net.between(1, self.plan.commit_ms),
        };
        let life = self.nodes[node].life(Service::Ledger);
        if let Some(l) = &mut self.nodes[node].ledger {
            l.round = Some(Box::new(round));
        }
        if self.effect(node, "before the commit")? {
            self.saw(Rare::CrashBeforeCommit);
            return Ok(());
        }
        if nothing {
            self.on_committed(node, life)
        } else {
            self.at(took, Moment::Committed { node, life });
            Ok(())
        }
    }

    fn note_round(&mut self, node: usize, round: &Round) -> Step {
        for notice in &round.done.notices {
            match notice {
                Notice::NewIncarnation(_) => self.say(|| format!("node {node}: new incarnation")),
                Notice::WrittenElsewhere(_) => self.saw(Rare::CloneGaveWay),
                Notice::TimedOut(_) => self.saw(Rare::TimedOut),
                Notice::AnsweredFromElsewhere(_) => self.saw(Rare::ReplayedElsewhere),
                Notice::LateBasis(_) => self.saw(Rare::LateBasis),
                Notice::ClockOffset(_) => self.saw(Rare::ClockOffset),
                Notice::FullAfterErased(_) => self.saw(Rare::FullAfterErased),
                Notice::ProjectionFailed(_) => {
                    return Err(Violation::new("no panic", format!("node {node}: a projection panicked")));
                }
                Notice::NotRecorded(what, why) => {
                    let what = format!("node {node}: {what} could not be recorded: {why}");
                    return Err(Violation::new("what is due is recorded", what));
                }
                // Seen in the stored map, at every commit.
                Notice::Fork(_) | Notice::BrokenLink(_) | Notice::LaneCommandOver(_) => {}
            }
        }
        for (job, outcome) in round.commands.iter().zip(&round.done.outcomes) {
            if let Outcome::Reply(CommandReply::Unavailable(why), _) = outcome
                && why.contains("deadline")
            {
                self.trace
                    .say(self.now, self.steps, || format!("node {node}: attempt {} too late", job.attempt));
                self.rare.saw(Rare::DeadlinePassed);
            }
        }
        Ok(())
    }
}
