//! Lanes and cars: every car's truth is known, every answer is written down.

use std::collections::BTreeMap;

use wire::bus::command::{Command, CommandEnvelope, CommandReply, LaneFacts, Seen, SessionAction};
use wire::hash::CommandId;
use wire::http::{Closed, Decision, DecisionKind, Direction, LaneDecision};

use crate::chance::Chance;
use crate::check::Violation;
use crate::ledger::CommandJob;
use crate::plan::Plan;
use crate::sometimes::Rare;
use crate::world::{BEGIN, Bus, Moment, Service, Step, World};

/// A lane waits so long for an answer.
const ANSWER_MS: i64 = 900;
/// The path of openings.
const OPEN: &str = "/api/v1/edge/barrier/open";
/// The path of closings.
const CLOSE: &str = "/api/v1/edge/barrier/close";
/// The path of acts.
const ACT: &str = "/api/parking/sessions/act";

/// How a visit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// In, stay, out.
    Plain,
    /// Backs out of the entry.
    BacksOut,
    /// The entry's loop never tells.
    Unconfirmed,
    /// Seen by two entries within seconds.
    SeenTwice,
    /// Read twice by one camera.
    ReadTwice,
    /// Drives in through another lane although it never left.
    EntersAgain,
    /// Two exits let it out.
    LeavesTwice,
    /// Reverses at the exit, and leaves later.
    Reverses,
    /// The entry is asked for at two centrals at once, with one key.
    AsksBoth,
}

#[derive(Debug, Clone, Copy)]
struct Visit {
    at: i64,
    enter: usize,
    leave: usize,
    stay_ms: i64,
    habit: Habit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away,
    Inside,
    Leaving,
}

#[derive(Debug)]
struct Car {
    plate: String,
    visits: Vec<Visit>,
    visit: usize,
    phase: Phase,
    reversed: bool,
}

/// What a lane wants.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Enter,
    Leave { staff: bool, picked: Option<String> },
    Close { event_id: String, passed: bool, exit: bool },
    Act { event_id: String, act: SessionAction },
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Waiting.
    Open,
    /// Answered.
    Acknowledged,
    /// The lane gave up: it may have happened.
    Maybe,
    /// Refused.
    Refused,
}

/// A request of a lane, with all its attempts.
#[derive(Debug)]
pub struct Request {
    car: usize,
    wish: Wish,
    key: String,
    node: usize,
    /// When it truly happened, ms.
    pub at: i64,
    tries: u32,
    attempt: u64,
    both: bool,
    /// How it stands.
    pub fate: Fate,
    /// Fee of an exit's answer.
    pub fee: Option<i64>,
    /// The answer said that an event stands behind it, as a passage of its own.
    pub recorded: bool,
    /// What it is known by.
    pub command: CommandId,
}

/// See the module.
#[derive(Debug)]
pub struct Traffic {
    cars: Vec<Car>,
    requests: Vec<Request>,
    attempts: BTreeMap<u64, usize>,
    next_attempt: u64,
    sent: u64,
}

fn principal(node: usize, exit: bool) -> String {
    format!("edge-{}-{}", node + 1, if exit { "out" } else { "in" })
}

impl Traffic {
    /// The cars of a plan: as many as make the commands it wants.
    pub fn draw(plan: &Plan, c: &mut Chance) -> Self {
        let visits = (plan.commands / 4).max(1);
        let mut cars: Vec<Car> = Vec::new();
        for n in 0..visits {
            let visit = Visit {
                at: c.between(2_000, plan.span_ms),
                enter: c.index(plan.busy),
                leave: c.index(plan.busy),
                stay_ms: c.between(3_000, (plan.span_ms / 2).max(4_000)),
                habit: c
                    .weighted(&[
                        (60, Habit::Plain),
                        (6, Habit::BacksOut),
                        (6, Habit::Unconfirmed),
                        (6, Habit::SeenTwice),
                        (4, Habit::ReadTwice),
                        (4, Habit::EntersAgain),
                        (4, Habit::LeavesTwice),
                        (4, Habit::Reverses),
                        (6, Habit::AsksBoth),
                    ])
                    .unwrap_or(Habit::Plain),
            };
            // Some cars come again, long enough after to be a new passage.
            let again = cars.len() > 3 && c.per_mille(250);
            let free = |car: &Car| car.visits.last().is_some_and(|v| v.at + v.stay_ms + 75_000 < visit.at);
            let known = if again { cars.iter().position(free) } else { None };
            match known {
                Some(i) => cars[i].visits.push(visit),
                None => cars.push(Car {
                    plate: format!("{}A-{:03}.{:02}", 29 + n % 3, (n * 37 + 11) % 1000, (n * 53) % 100),
                    visits: vec![visit],
                    visit: 0,
                    phase: Phase::Away,
                    reversed: false,
                }),
            }
        }
        Self { cars, requests: Vec::new(), attempts: BTreeMap::new(), next_attempt: 1, sent: 0 }
    }

    /// When each car comes.
    pub fn arrivals(&self) -> Vec<(i64, usize)> {
        self.cars.iter().enumerate().map(|(i, c)| (c.visits[0].at, i)).collect()
    }

    /// Commands sent, each once.
    pub fn commands(&self) -> u64 {
        self.sent
    }

    /// Every request.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// True while some lane waits.
    pub fn is_busy(&self) -> bool {
        self.requests.iter().any(|r| r.fate == Fate::Open)
    }
}

impl World {
    fn request(&mut self, car: usize, node: usize, wish: Wish, both: bool) -> usize {
        let key = format!("{:016x}", self.chance.id.bits());
        let exit = matches!(wish, Wish::Leave { .. } | Wish::Close { exit: true, .. });
        let who = principal(node, exit);
        let command = match &wish {
            Wish::Enter | Wish::Leave { .. } => CommandId::of(&who, OPEN, &key),
            Wish::Close { .. } => CommandId::of(&who, CLOSE, &key),
            Wish::Act { .. } => CommandId::of("admin", ACT, &key),
        };
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
            command,
        };
        self.traffic.requests.push(r);
        self.traffic.sent += 1;
        self.traffic.requests.len() - 1
    }

    fn want(&mut self, car: usize, node: usize, wish: Wish) {
        let request = self.request(car, node, wish, false);
        self.at(0, Moment::Attempt { request });
    }

    /// A car goes on with its day.
    pub(crate) fn on_car(&mut self, car: usize) -> Step {
        let c = &self.traffic.cars[car];
        let Some(visit) = c.visits.get(c.visit).copied() else { return Ok(()) };
        match c.phase {
            Phase::Away => {
                self.say(|| format!("car {car} comes to {} ({:?})", visit.enter, visit.habit));
                let both = visit.habit == Habit::AsksBoth;
                let request = self.request(car, visit.enter, Wish::Enter, both);
                self.at(0, Moment::Attempt { request });
                if visit.habit == Habit::SeenTwice {
                    let other = self.chance.lane.index(self.plan.busy);
                    let request = self.request(car, other, Wish::Enter, false);
                    self.traffic.requests[request].at += 2_000;
                    self.at(2_000, Moment::Attempt { request });
                } else if visit.habit == Habit::ReadTwice {
                    let request = self.request(car, visit.enter, Wish::Enter, false);
                    self.traffic.requests[request].at += 1_500;
                    self.at(1_500, Moment::Attempt { request });
                }
            }
            Phase::Inside => {
                if visit.habit == Habit::EntersAgain {
                    let other = self.chance.lane.index(self.plan.busy);
                    self.want(car, other, Wish::Enter);
                    let c = &mut self.traffic.cars[car];
                    c.visits[c.visit].habit = Habit::Plain;
                    self.at(70_000, Moment::Car { car });
                    return Ok(());
                }
                self.traffic.cars[car].phase = Phase::Leaving;
                self.say(|| format!("car {car} leaves at {}", visit.leave));
                self.want(car, visit.leave, Wish::Leave { staff: false, picked: None });
                if visit.habit == Habit::LeavesTwice {
                    let other = self.chance.lane.index(self.plan.busy);
                    let request = self.request(car, other, Wish::Leave { staff: true, picked: None }, false);
                    self.traffic.requests[request].at += 300;
                    self.at(300, Moment::Attempt { request });
                }
            }
            Phase::Leaving => {}
        }
        Ok(())
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
        let attempt = self.traffic.next_attempt;
        self.traffic.next_attempt += 1;
        let r = &mut self.traffic.requests[request];
        r.tries += 1;
        r.attempt = attempt;
        let first = r.tries == 1;
        let both = r.both && first;
        self.traffic.attempts.insert(attempt, request);
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
        if !self.nodes[node].on {
            return;
        }
        let received_at = self.nodes[node].clock.shows(self.now);
        let envelope = Box::new(self.envelope(request, received_at));
        let job = CommandJob { attempt, envelope, peers_asked: false };
        self.bus(node, Service::Ledger, Bus::Command(Box::new(job)));
    }

    fn envelope(&self, request: usize, received_at: i64) -> CommandEnvelope {
        let r = &self.traffic.requests[request];
        let exit = matches!(r.wish, Wish::Leave { .. } | Wish::Close { exit: true, .. });
        let who = principal(r.node, exit);
        let lane = LaneFacts {
            edge_id: who.clone(),
            direction: if exit { Direction::Exit } else { Direction::Entry },
            lot_id: None,
            vehicle_classes: vec!["car".to_owned()],
            assumed: false,
        };
        let (captured_at, sent_at) = (Some(BEGIN + r.at), Some(BEGIN + self.now));
        let plate = self.traffic.cars.get(r.car).map(|c| c.plate.clone()).unwrap_or_default();
        let seen = Seen { plate, captured_at, sent_at, ..Seen::default() };
        let (path, command) = match &r.wish {
            Wish::Enter => (OPEN, open(lane, seen, None, None)),
            Wish::Leave { staff, picked } => {
                (OPEN, open(lane, seen, staff.then(|| "staff-1".to_owned()), picked.clone()))
            }
            Wish::Close { event_id, passed, .. } => {
                let event_id = Some(event_id.clone());
                (
                    CLOSE,
                    Command::Close { lane, event_id, passed: *passed, captured_at, sent_at, tailgate: false },
                )
            }
            Wish::Act { event_id, act } => {
                let act = Command::Act {
                    event_id: event_id.clone(),
                    act: act.clone(),
                    staff_id: "staff-1".to_owned(),
                    pin: None,
                    reason: "because".to_owned(),
                };
                (ACT, act)
            }
        };
        CommandEnvelope {
            principal: if path == ACT { "admin".to_owned() } else { who },
            path: path.to_owned(),
            idempotency_key: Some(r.key.clone()),
            received_at,
            deadline: received_at + ANSWER_MS,
            degraded: Vec::new(),
            command,
        }
    }

    pub(crate) fn on_gave_up(&mut self, attempt: u64) -> Step {
        let Some(request) = self.traffic.attempts.remove(&attempt) else { return Ok(()) };
        let after = self.chance.lane.between(200, 2_500);
        self.at(after, Moment::Attempt { request });
        Ok(())
    }

    pub(crate) fn on_answered(&mut self, attempt: u64, reply: CommandReply) -> Step {
        let Some(request) = self.traffic.attempts.get(&attempt).copied() else { return Ok(()) };
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
                let wish = self.traffic.requests[request].wish.clone();
                match wish {
                    Wish::Enter | Wish::Leave { .. } => {
                        let d: Decision = serde_json::from_str(body.get())
                            .map_err(|e| Violation::new("wire", format!("an answer cannot be read: {e}")))?;
                        self.decided(request, d)
                    }
                    Wish::Close { .. } => {
                        let c: Closed = serde_json::from_str(body.get())
                            .map_err(|e| Violation::new("wire", format!("an answer cannot be read: {e}")))?;
                        self.say(|| format!("lane: {} {:?}", c.kind, c.event_id));
                        Ok(())
                    }
                    Wish::Act { .. } => Ok(()),
                }
            }
        }
    }

    fn decided(&mut self, request: usize, d: Decision) -> Step {
        self.say(|| {
            format!("lane: request {request} {:?} {:?} {} fee {:?}", d.decision, d.kind, d.reason, d.fee)
        });
        let r = &mut self.traffic.requests[request];
        r.fee = d.fee;
        r.recorded = d.recorded && matches!(d.kind, DecisionKind::Entry | DecisionKind::Exit);
        self.went_on(request, Some(d))
    }

    /// What the lane and its car do next.
    fn went_on(&mut self, request: usize, d: Option<Decision>) -> Step {
        let (car, node, wish) = {
            let r = &self.traffic.requests[request];
            (r.car, r.node, r.wish.clone())
        };
        let Some(c) = self.traffic.cars.get(car) else { return Ok(()) };
        let Some(visit) = c.visits.get(c.visit).copied() else { return Ok(()) };
        match wish {
            Wish::Enter => {
                let first = c.phase == Phase::Away;
                if let Some(event_id) = d.and_then(|d| d.event_id) {
                    let passed = visit.habit != Habit::BacksOut;
                    if visit.habit != Habit::Unconfirmed {
                        let close =
                            self.request(car, node, Wish::Close { event_id, passed, exit: false }, false);
                        let after = self.chance.lane.between(500, 6_000);
                        self.traffic.requests[close].at += after;
                        self.at(after, Moment::Attempt { request: close });
                    }
                }
                if first && visit.habit == Habit::BacksOut {
                    self.next_visit(car);
                } else if first {
                    self.traffic.cars[car].phase = Phase::Inside;
                    self.at(visit.stay_ms, Moment::Car { car });
                }
            }
            Wish::Leave { staff, .. } => {
                if let Some(d) = &d
                    && d.decision == LaneDecision::AskStaff
                    && !staff
                {
                    let plate = &self.traffic.cars[car].plate;
                    let picked =
                        d.candidates.iter().find(|s| s.session.plate.as_deref() == Some(plate.as_str()));
                    let picked = picked.map(|s| s.session.event_id.clone());
                    let request = self.request(car, node, Wish::Leave { staff: true, picked }, false);
                    self.at(3_000, Moment::Attempt { request });
                    self.traffic.requests[request].at += 3_000;
                    return Ok(());
                }
                if self.traffic.cars[car].phase != Phase::Leaving {
                    return Ok(());
                }
                let reverses = visit.habit == Habit::Reverses && !self.traffic.cars[car].reversed;
                if let Some(event_id) =
                    d.filter(|d| d.decision == LaneDecision::Open).and_then(|d| d.event_id)
                {
                    let wish = Wish::Close { event_id, passed: !reverses, exit: true };
                    let close = self.request(car, node, wish, false);
                    self.traffic.requests[close].at += 2_000;
                    self.at(2_000, Moment::Attempt { request: close });
                }
                if reverses {
                    self.traffic.cars[car].reversed = true;
                    self.traffic.cars[car].phase = Phase::Inside;
                    self.at(20_000, Moment::Car { car });
                } else {
                    self.next_visit(car);
                }
            }
            Wish::Close { .. } | Wish::Act { .. } => {}
        }
        Ok(())
    }

    fn next_visit(&mut self, car: usize) {
        let now = self.now;
        let healed = self.healed;
        let c = &mut self.traffic.cars[car];
        c.visit += 1;
        c.phase = Phase::Away;
        c.reversed = false;
        if let Some(v) = c.visits.get(c.visit)
            && !healed
        {
            let after = (v.at - now).max(75_000);
            self.at(after, Moment::Car { car });
        }
    }

    /// A person acts on some session.
    pub(crate) fn staff_acts(&mut self, node: usize) {
        let rows: Vec<(String, bool)> = self.nodes[node]
            .store
            .rows
            .history()
            .map(|r| (r.row.event_id.clone(), r.row.charged.is_some()))
            .collect();
        if rows.is_empty() {
            return;
        }
        let (event_id, charged) = rows[self.chance.lane.index(rows.len())].clone();
        let act = match (charged, self.chance.lane.below(5)) {
            (true, _) => SessionAction::Waive { amount: 1_000 },
            (false, 0) => SessionAction::Void,
            (false, 1) => SessionAction::CorrectPlate { plate: "51F-970.22".to_owned() },
            (false, 2) => SessionAction::Price { fee: 7_000 },
            (false, _) => SessionAction::SoftClose,
        };
        self.say(|| format!("node {node}: staff: {act:?} of {event_id}"));
        let request = self.request(usize::MAX, node, Wish::Act { event_id, act }, false);
        self.at(0, Moment::Attempt { request });
    }
}

fn open(lane: LaneFacts, seen: Seen, staff: Option<String>, event_id: Option<String>) -> Command {
    let reason = staff.as_ref().map(|_| "seen by staff".to_owned());
    Command::Open {
        lane,
        seen,
        staff_id: staff,
        pin: None,
        reason,
        event_id,
        lost_credential: false,
        payment: None,
        spooled: false,
    }
}
