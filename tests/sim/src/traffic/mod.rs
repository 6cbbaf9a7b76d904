//! Lanes and cars: every car's truth is known, every answer is written down.
//!
//! - [`car`]: what cars are like and what they do; [`lane`]: requests, attempts, answers
//! - [`ask`]: how a request becomes a command; [`staff`]: people who act on sessions and set rules

pub mod ask;
mod car;
mod lane;
mod staff;

use std::collections::BTreeMap;

use wire::bus::command::SessionAction;
use wire::event::Credential;
use wire::hash::CommandId;

use crate::chance::Chance;
use crate::plan::Plan;
use car::{Car, Visit};
pub(crate) use lane::read;

/// A lane waits so long for an answer, ms.
pub const ANSWER_MS: i64 = 900;

/// What a lane or a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// In.
    Enter,
    /// Out; with staff behind it, with an entry picked, with the card lost.
    Leave { staff: bool, picked: Option<String>, lost: bool },
    /// A suggestion only.
    Detect { exit: bool },
    /// The barrier closed.
    Close { event_id: String, passed: bool, exit: bool },
    /// A person acts on a session.
    Act { event_id: String, act: SessionAction },
    /// A person changes the rules.
    Rule { window_ms: i64, valid_from: i64 },
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
    pub(crate) wish: Wish,
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

/// One sending of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) request: usize,
    /// Where it went.
    pub(crate) node: usize,
    /// When, ms.
    pub(crate) at: i64,
    /// It went to a second central, too.
    pub(crate) both: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Traffic {
    cars: Vec<Car>,
    requests: Vec<Request>,
    attempts: BTreeMap<u64, Attempt>,
    next_attempt: u64,
    sent: u64,
}

impl Traffic {
    /// The cars of a plan: as many as make the commands it wants.
    pub fn draw(plan: &Plan, c: &mut Chance) -> Self {
        let visits = (plan.commands / 4).max(usize::from(plan.commands > 0));
        let mut cars: Vec<Car> = Vec::new();
        for n in 0..visits {
            let visit = Visit::draw(plan, c);
            // Some cars come again, long enough after to be a new passage.
            let again = cars.len() > 3 && c.per_mille(250);
            let free = |car: &Car| car.visits.last().is_some_and(|v| v.at + v.stay_ms + 75_000 < visit.at);
            let known = if again { cars.iter().position(free) } else { None };
            match known {
                Some(i) => cars[i].visits.push(visit),
                None => cars.push(Car::draw(n, visit, c)),
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

    /// A number for an attempt.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_attempt += 1;
        self.next_attempt - 1
    }

    /// Notes a request made outside the lanes' own day, so that its truth is known; answered by whoever made it.
    pub(crate) fn note(&mut self, at: i64, command: CommandId) {
        self.requests.push(Request {
            car: usize::MAX,
            wish: Wish::Detect { exit: false },
            key: String::new(),
            node: 0,
            at,
            tries: 0,
            attempt: 0,
            both: false,
            fate: Fate::Acknowledged,
            fee: None,
            recorded: false,
            command,
        });
    }
}

/// A plastic card.
pub(crate) fn card(id: &str) -> Credential {
    Credential { kind: "card".to_owned(), id: id.to_owned() }
}
