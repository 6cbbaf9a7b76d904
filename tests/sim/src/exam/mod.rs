//! Questions with known answers. Once a world is at rest, some lanes ask what the rules answer in one way only: nothing is wrong
//! any more, so every answer is known to the field, comes in time, and what it recorded is at every central right after it.
//!
//! A seed asks some of the [`scenes`], at centrals whose clocks are right. The answers expected stand there as the rules have
//! them; none is computed by the code that is asked.

mod question;
mod scenes;
mod want;

use wire::bus::command::CommandReply;
use wire::hash::CommandId;

use crate::chance::Chance;
use crate::check::{Violation, window};
use crate::sometimes::Rare;
use crate::traffic::ask;
use crate::world::{BEGIN, Moment, Step, World};
use question::{Ctx, Question, Scene, Site};
use want::Heard;

/// Scenes of one seed.
const SCENES: usize = 2;
/// A clock off by more makes stamps wrong, ms.
const RIGHT_MS: i64 = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Exam {
    /// Scenes still to come, the next one last.
    scenes: Vec<Scene>,
    begun: bool,
    heard: Vec<Heard>,
    waits: Option<(u64, Question)>,
    site: Site,
}

impl Exam {
    /// The scenes of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut c = Chance::new(seed, "exam");
        let mut all = scenes::all(&mut c);
        let mut chosen = Vec::new();
        while chosen.len() < SCENES && !all.is_empty() {
            chosen.push(all.swap_remove(c.index(all.len())));
        }
        Self { scenes: chosen, begun: false, heard: Vec::new(), waits: None, site: Site::default() }
    }

    /// True for an answer the examination waits for.
    pub fn waits_for(&self, attempt: u64) -> bool {
        self.waits.as_ref().is_some_and(|(waits, _)| *waits == attempt)
    }

    /// True from the first question on: no car moves any more.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// True while questions are asked.
    pub fn is_going_on(&self) -> bool {
        self.begun && !self.scenes.is_empty()
    }
}

impl World {
    /// The world is at rest for the first time: questions follow. False when there are none.
    pub(crate) fn begin_exam(&mut self) -> bool {
        if std::mem::replace(&mut self.exam.begun, true) {
            return false;
        }
        let right = |n: &usize| {
            let n = &self.nodes[*n];
            let off = n.clock.shows(self.now) - BEGIN - self.now;
            let state = n.ledger.as_ref().and_then(|l| l.state.as_ref());
            off.abs() <= RIGHT_MS && state.is_some_and(|s| s.clock.offset_ms().abs() <= RIGHT_MS)
        };
        let nodes: Vec<usize> = (0..self.plan.busy).filter(right).collect();
        let Some(here) = nodes.first().copied() else {
            self.exam.scenes.clear();
            return false;
        };
        let there = if self.is_full_mesh() { nodes.get(1).copied().unwrap_or(here) } else { here };
        let now = self.now;
        let sync = self.nodes[here].sync.as_mut();
        let gap = sync.and_then(|s| s.machine.catchup().view(now).unavailable.first().cloned());
        let central = |n: usize| self.nodes[n].central.to_string();
        self.exam.site = Site {
            nodes: [here, there],
            gap,
            centrals: [central(here), central(there)],
            now: BEGIN + self.now,
            window_ms: window(&self.nodes[0].store, BEGIN + self.now),
        };
        self.next_scene();
        true
    }

    fn next_scene(&mut self) {
        let pause = self.exam.scenes.last().map_or(1, |s| s.pause_ms);
        self.at(pause, Moment::Exam);
    }

    fn is_full_mesh(&self) -> bool {
        self.plan.peers.iter().all(|p| p.len() + 1 == self.plan.nodes)
    }

    /// So long after its commit an event is at every central by the live way alone: it waits for the round that is under way
    /// there, for the one it gathers behind, and for its own.
    fn spread_ms(&self) -> i64 {
        3 * self.plan.commit_ms + 60
    }

    /// The next question.
    pub(crate) fn on_exam(&mut self) -> Step {
        let now = self.now;
        self.exam.site.now = BEGIN + now;
        let Some(scene) = self.exam.scenes.last() else { return Ok(()) };
        let ctx = Ctx { scene, site: &self.exam.site, heard: &self.exam.heard };
        let Some(question) = (scene.next)(&ctx) else {
            self.saw(Rare::Examined);
            self.exam.scenes.pop();
            self.exam.heard.clear();
            self.next_scene();
            return Ok(());
        };
        let node = self.exam.site.nodes[question.at];
        let received_at = self.nodes[node].clock.shows(now);
        let envelope = ask::envelope(question.command.clone(), &question.key, received_at);
        self.say(|| format!("exam: node {node}: {:?}", question.command));
        if let Some(command) = ask::known_by(&envelope) {
            self.traffic.note(question.happened_at - BEGIN, command);
        }
        let attempt = self.traffic.number();
        self.exam.waits = Some((attempt, question));
        self.send_command(node, attempt, envelope);
        let limit = 4 * self.plan.commit_ms + 300;
        self.at(limit, Moment::GaveUp { attempt });
        Ok(())
    }

    /// Nobody answered the examination.
    pub(crate) fn exam_gave_up(&self) -> Step {
        let Some((_, q)) = &self.exam.waits else { return Ok(()) };
        Err(Violation::new("a lane is answered in time", format!("examination: {:?}", q.command)))
    }

    /// An answer to the examination.
    pub(crate) fn exam_answered(&mut self, reply: &CommandReply) -> Step {
        let Some((_, q)) = self.exam.waits.take() else { return Ok(()) };
        let name = self.exam.scenes.last().map_or("", |s| s.name);
        let central = &self.exam.site.centrals[q.at];
        let mut heard = q.want.compare(reply, &self.exam.heard, central).map_err(|why| {
            let what = format!("{name}: {why}\n    asked: {:?}\n    answered: {reply:?}", q.command);
            Violation::new("the answer is what the rules say", what)
        })?;
        heard.at = q.happened_at;
        self.say(|| format!("exam: as the rules say: {}", heard.body));
        let after = self.spread_ms();
        let envelope = ask::envelope(q.command, &q.key, 0);
        if let Some(command) = ask::known_by(&envelope).filter(|_| heard.recorded && self.is_full_mesh()) {
            self.at(after - 1, Moment::Spread { command });
        }
        self.exam.heard.push(heard);
        self.at(after, Moment::Exam);
        Ok(())
    }

    /// What a central recorded a moment ago is at all of them.
    pub(crate) fn on_spread(&self, command: CommandId) -> Step {
        for n in self.nodes.iter().filter(|n| !n.gone) {
            if !n.store.has_command(command) {
                let what = format!("node {} lacks command {command} after {} ms", n.slot, self.spread_ms());
                return Err(Violation::new("live events arrive at once", what));
            }
        }
        Ok(())
    }
}
