//! Lanes: requests, their attempts, and the answers.

use wire::bus::command::{Command, CommandEnvelope, CommandReply, Seen};
use wire::hash::CommandId;
use wire::http::{Closed, Decision, DecisionKind, Detection, PolicyAnswer, SessionDetail};

use super::ask::{self, Opening};
use super::{ANSWER_MS, Attempt, Fate, Request, Wish};
use crate::check::Violation;
use crate::ledger::CommandJob;
use crate::sometimes::Rare;
use crate::world::{BEGIN, Bus, Moment, Service, Step, World};

impl World {
    pub(super) fn request(&mut self, car: usize, node: usize, wish: Wish, both: bool) -> usize {
        let key = format!("{:016x}", self.chance.id.bits());
        let r = Request {
            car,
            wish,
            key,
            node,
            at: self.now,
            tries: 0,
            attempt: 0,
            both,
            fate: Fate::Open,
            fee: None,
            recorded: false,
            command: CommandId::default(),
        };
        self.traffic.requests.push(r);
        let request = self.traffic.requests.len() - 1;
        let envelope = self.envelope(request, 0);
        if let Some(id) = ask::known_by(&envelope) {
            self.traffic.requests[request].command = id;
        }
        self.traffic.sent += 1;
        request
    }

    pub(super) fn want(&mut self, car: usize, node: usize, wish: Wish) {
        self.want_after(car, node, wish, 0);
    }

    pub(super) fn want_after(&mut self, car: usize, node: usize, wish: Wish, after: i64) {
        let request = self.request(car, node, wish, false);
        self.traffic.requests[request].at += after;
        self.at(after, Moment::Attempt { request });
    }

    /// A lane sends a request.
    pub(crate) fn on_attempt(&mut self, request: usize) -> Step {
        let limit = if self.healed { 40 } else { self.plan.tries };
        let r = &self.traffic.requests[request];
        if r.fate != Fate::Open {
            return Ok(());
        }
        if r.tries >= limit {
            self.traffic.requests[request].fate = Fate::Maybe;
            self.saw(Rare::Maybe);
            return self.went_on(request, None);
        }
        let node = self.where_to(request);
        let attempt = self.traffic.number();
        let r = &mut self.traffic.requests[request];
        r.tries += 1;
        r.attempt = attempt;
        let both = r.both && r.tries == 1;
        let at = self.now;
        self.traffic.attempts.insert(attempt, Attempt { request, node, at, both });
        self.send_attempt(request, node, attempt);
        if both {
            // The same request reaches a second central: whichever answers first is heard.
            let other = self.chance.lane.index(self.plan.busy);
            self.send_attempt(request, other, attempt);
        }
        self.at(ANSWER_MS, Moment::GaveUp { attempt });
        Ok(())
    }

    /// The first attempts go to the lane's own central; later ones may go to another.
    fn where_to(&mut self, request: usize) -> usize {
        let r = &self.traffic.requests[request];
        let (node, tries) = (r.node, r.tries);
        let dead = self.nodes[node].gone;
        if dead || tries >= 2 && self.chance.lane.per_mille(400) {
            let other = self.chance.lane.index(self.plan.busy);
            // A copied central answers under the same address.
            return self.address(other);
        }
        self.address(node)
    }

    /// Which of the machines of a central answers.
    fn address(&mut self, node: usize) -> usize {
        let name = self.nodes[node].central.clone();
        let all: Vec<usize> =
            self.nodes.iter().filter(|n| n.central == name && n.on && !n.gone).map(|n| n.slot).collect();
        if all.len() > 1 { all[self.chance.lane.index(all.len())] } else { node }
    }

    fn send_attempt(&mut self, request: usize, node: usize, attempt: u64) {
        let received_at = self.nodes[node].clock.shows(self.now);
        let envelope = self.envelope(request, received_at);
        self.send_command(node, attempt, envelope);
    }

    /// A gateway asks its ledger.
    pub(crate) fn send_command(&mut self, node: usize, attempt: u64, envelope: CommandEnvelope) {
        if self.nodes[node].on {
            let job = CommandJob { attempt, envelope: Box::new(envelope), peers_asked: false };
            self.bus(node, Service::Ledger, Bus::Command(Box::new(job)));
        }
    }

    fn envelope(&self, request: usize, received_at: i64) -> CommandEnvelope {
        let r = &self.traffic.requests[request];
        let exit = matches!(
            r.wish,
            Wish::Leave { .. } | Wish::Close { exit: true, .. } | Wish::Detect { exit: true }
        );
        let car = self.traffic.cars.get(r.car);
        let plate = car.map(|c| c.plate.clone()).unwrap_or_default();
        let class = car.map_or("car", |c| c.class);
        let lane = ask::lane(r.node, exit, class, &plate);
        let (captured_at, sent_at) = (Some(BEGIN + r.at), Some(BEGIN + self.now));
        let lost = matches!(r.wish, Wish::Leave { lost: true, .. });
        let credential = car.and_then(|c| c.card.clone()).filter(|_| !lost);
        let seen = Seen { plate, captured_at, sent_at, credential, ..Seen::default() };
        let command = match &r.wish {
            Wish::Enter => Opening { seen, ..Opening::default() }.command(lane),
            Wish::Leave { staff, picked, lost } => {
                let event_id = picked.clone();
                Opening { seen, staff: *staff, event_id, lost: *lost, payment: None }.command(lane)
            }
            Wish::Detect { .. } => Command::Detect { lane, seen },
            Wish::Close { event_id, passed, .. } => {
                let event_id = Some(event_id.clone());
                Command::Close { lane, event_id, passed: *passed, captured_at, sent_at, tailgate: false }
            }
            Wish::Act { event_id, act } => ask::act(event_id, act),
            Wish::Rule { window_ms, valid_from } => ask::rule(*window_ms, *valid_from),
        };
        ask::envelope(command, &r.key, received_at)
    }

    pub(crate) fn on_gave_up(&mut self, attempt: u64) -> Step {
        if self.exam.waits_for(attempt) {
            return self.exam_gave_up();
        }
        let Some(a) = self.traffic.attempts.remove(&attempt) else { return Ok(()) };
        self.check_in_time(a)?;
        let after = self.chance.lane.between(200, 2_500);
        self.at(after, Moment::Attempt { request: a.request });
        Ok(())
    }

    pub(crate) fn on_answered(&mut self, attempt: u64, reply: CommandReply) -> Step {
        if self.exam.waits_for(attempt) {
            return self.exam_answered(&reply);
        }
        let Some(Attempt { request, .. }) = self.traffic.attempts.get(&attempt).copied() else {
            return Ok(());
        };
        match reply {
            CommandReply::Unavailable(why) => {
                self.say(|| format!("lane: request {request} unavailable: {why}"));
                self.on_gave_up(attempt)
            }
            CommandReply::Refused(problem) => {
                self.traffic.attempts.remove(&attempt);
                self.say(|| format!("lane: request {request} refused: {}", problem.code));
                self.traffic.requests[request].fate = Fate::Refused;
                self.went_on(request, None)
            }
            CommandReply::Answer { body, replayed, .. } => {
                self.traffic.attempts.remove(&attempt);
                self.traffic.requests[request].fate = Fate::Acknowledged;
                if replayed {
                    self.saw(Rare::Replayed);
                }
                self.heard(request, body.get())
            }
        }
    }

    /// The body of an answer.
    fn heard(&mut self, request: usize, body: &str) -> Step {
        match self.traffic.requests[request].wish {
            Wish::Enter | Wish::Leave { .. } => {
                let d: Decision = read(body)?;
                self.decided(request, d)
            }
            Wish::Close { .. } => {
                let c: Closed = read(body)?;
                self.say(|| format!("lane: {} {:?}", c.kind, c.event_id));
                Ok(())
            }
            Wish::Detect { .. } => read::<Detection>(body).map(drop),
            Wish::Act { .. } => read::<SessionDetail>(body).map(drop),
            Wish::Rule { .. } => read::<PolicyAnswer>(body).map(drop),
        }
    }

    fn decided(&mut self, request: usize, d: Decision) -> Step {
        self.say(|| {
            format!("lane: request {request} {:?} {:?} {} fee {:?}", d.decision, d.kind, d.reason, d.fee)
        });
        let r = &mut self.traffic.requests[request];
        r.fee = d.fee;
        r.recorded = d.recorded && matches!(d.kind, DecisionKind::Entry | DecisionKind::Exit);
        self.went_on(request, Some(&d))
    }
}

/// An answer's body. Errors: it cannot be read.
pub(crate) fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, Violation> {
    serde_json::from_str(body).map_err(|e| Violation::new("wire", format!("an answer cannot be read: {e}")))
}
