//! Cars: what they are like and how their day goes.

use wire::event::Credential;
use wire::http::{Decision, LaneDecision};

use super::{Wish, card};
use crate::chance::Chance;
use crate::plan::Plan;
use crate::world::{Moment, Step, World};

/// How a visit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
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
    /// The entry lane was cut off and delivers what it saw a minute later.
    Spooled,
    /// Its card is lost when it leaves.
    LosesCard,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    pub(super) at: i64,
    pub(super) enter: usize,
    pub(super) leave: usize,
    pub(super) stay_ms: i64,
    pub(super) habit: Habit,
}

impl Visit {
    pub(super) fn draw(plan: &Plan, c: &mut Chance) -> Self {
        Self {
            at: c.between(plan.first_car_ms, plan.span_ms),
            enter: c.index(plan.busy),
            leave: c.index(plan.busy),
            stay_ms: c.between(3_000, (plan.span_ms / 2).max(4_000)),
            habit: c
                .weighted(&[
                    (54, Habit::Plain),
                    (6, Habit::BacksOut),
                    (6, Habit::Unconfirmed),
                    (6, Habit::SeenTwice),
                    (4, Habit::ReadTwice),
                    (4, Habit::EntersAgain),
                    (4, Habit::LeavesTwice),
                    (4, Habit::Reverses),
                    (6, Habit::AsksBoth),
                    (4, Habit::Spooled),
                    (2, Habit::LosesCard),
                ])
                .unwrap_or(Habit::Plain),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Away,
    Inside,
    Leaving,
}

#[derive(Debug)]
pub(super) struct Car {
    /// As the camera reads it; empty without one.
    pub(super) plate: String,
    pub(super) class: &'static str,
    pub(super) card: Option<Credential>,
    pub(super) visits: Vec<Visit>,
    pub(super) visit: usize,
    pub(super) phase: Phase,
    pub(super) reversed: bool,
    /// The session of its visit, as the entry's answer named it.
    pub(super) session: Option<String>,
}

impl Car {
    pub(super) fn draw(n: usize, visit: Visit, c: &mut Chance) -> Self {
        let class = if c.per_mille(200) { "motorbike" } else { "car" };
        let plateless = c.per_mille(60);
        let plate = format!("{}A-{:03}.{:02}", 29 + n % 3, (n * 37 + 11) % 1000, (n * 53) % 100);
        let with_card = plateless || visit.habit == Habit::LosesCard || c.per_mille(250);
        Self {
            plate: if plateless { String::new() } else { plate },
            class,
            card: with_card.then(|| card(&format!("C{n:05}"))),
            visits: vec![visit],
            visit: 0,
            phase: Phase::Away,
            reversed: false,
            session: None,
        }
    }
}

impl World {
    /// A car goes on with its day.
    pub(crate) fn on_car(&mut self, car: usize) -> Step {
        let c = &self.traffic.cars[car];
        let Some(visit) = c.visits.get(c.visit).copied() else { return Ok(()) };
        if self.exam.has_begun() {
            return Ok(());
        }
        match c.phase {
            Phase::Away => self.comes(car, visit),
            Phase::Inside if visit.habit == Habit::EntersAgain => {
                let other = self.chance.lane.index(self.plan.busy);
                self.want(car, other, Wish::Enter);
                let c = &mut self.traffic.cars[car];
                c.visits[c.visit].habit = Habit::Plain;
                self.at(70_000, Moment::Car { car });
            }
            Phase::Inside => self.leaves(car, visit),
            Phase::Leaving => {}
        }
        Ok(())
    }

    fn comes(&mut self, car: usize, visit: Visit) {
        self.say(|| format!("car {car} comes to {} ({:?})", visit.enter, visit.habit));
        if self.chance.lane.per_mille(60) {
            self.want(car, visit.enter, Wish::Detect { exit: false });
        }
        let both = visit.habit == Habit::AsksBoth;
        let request = self.request(car, visit.enter, Wish::Enter, both);
        let after = if visit.habit == Habit::Spooled { self.chance.lane.between(35_000, 90_000) } else { 0 };
        self.at(after, Moment::Attempt { request });
        if visit.habit == Habit::SeenTwice {
            let other = self.chance.lane.index(self.plan.busy);
            self.want_after(car, other, Wish::Enter, 2_000);
        } else if visit.habit == Habit::ReadTwice {
            self.want_after(car, visit.enter, Wish::Enter, 1_500);
        } else if visit.habit == Habit::Spooled {
            // It does not wait: the lane opened by itself.
            self.traffic.cars[car].phase = Phase::Inside;
            self.at(visit.stay_ms, Moment::Car { car });
        }
    }

    fn leaves(&mut self, car: usize, visit: Visit) {
        self.traffic.cars[car].phase = Phase::Leaving;
        self.say(|| format!("car {car} leaves at {}", visit.leave));
        if self.chance.lane.per_mille(60) {
            self.want(car, visit.leave, Wish::Detect { exit: true });
        }
        let lost = visit.habit == Habit::LosesCard;
        self.want(car, visit.leave, Wish::Leave { staff: false, picked: None, lost });
        if visit.habit == Habit::LeavesTwice {
            let other = self.chance.lane.index(self.plan.busy);
            self.want_after(car, other, Wish::Leave { staff: true, picked: None, lost }, 300);
        }
    }

    /// What the lane and its car do next.
    pub(super) fn went_on(&mut self, request: usize, d: Option<&Decision>) -> Step {
        let (car, node, wish) = {
            let r = &self.traffic.requests[request];
            (r.car, r.node, r.wish.clone())
        };
        let Some(c) = self.traffic.cars.get(car) else { return Ok(()) };
        let Some(visit) = c.visits.get(c.visit).copied() else { return Ok(()) };
        match wish {
            Wish::Enter => self.entered(car, node, visit, d),
            Wish::Leave { staff, lost, .. } => {
                if let Some(d) = d
                    && d.decision == LaneDecision::AskStaff
                    && !staff
                {
                    self.ask_staff(request, car, lost, d);
                } else {
                    self.left(car, node, visit, d);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn entered(&mut self, car: usize, node: usize, visit: Visit, d: Option<&Decision>) {
        let first = self.traffic.cars[car].phase == Phase::Away;
        if let Some(event_id) = d.and_then(|d| d.event_id.clone()) {
            self.traffic.cars[car].session = Some(event_id.clone());
            if visit.habit != Habit::Unconfirmed {
                let passed = visit.habit != Habit::BacksOut;
                let after = self.chance.lane.between(500, 6_000);
                self.want_after(car, node, Wish::Close { event_id, passed, exit: false }, after);
            }
        }
        if first && visit.habit == Habit::BacksOut {
            self.next_visit(car);
        } else if first {
            self.traffic.cars[car].phase = Phase::Inside;
            self.at(visit.stay_ms, Moment::Car { car });
        }
    }

    /// The same request comes again, with staff behind it: they picked the vehicle's entry, where it was shown to them.
    fn ask_staff(&mut self, request: usize, car: usize, lost: bool, d: &Decision) {
        let c = &self.traffic.cars[car];
        let own = |s: &wire::http::Session| {
            let by_plate = !c.plate.is_empty() && s.plate.as_deref() == Some(c.plate.as_str());
            by_plate || c.plate.is_empty() && Some(&s.event_id) == c.session.as_ref()
        };
        let picked = d.candidates.iter().map(|s| &s.session).find(|s| own(s)).map(|s| s.event_id.clone());
        let r = &mut self.traffic.requests[request];
        r.wish = Wish::Leave { staff: true, picked, lost };
        r.fate = super::Fate::Open;
        r.at = self.now + 3_000;
        r.tries = 0;
        self.at(3_000, Moment::Attempt { request });
    }

    fn left(&mut self, car: usize, node: usize, visit: Visit, d: Option<&Decision>) {
        if self.traffic.cars[car].phase != Phase::Leaving {
            return;
        }
        let reverses = visit.habit == Habit::Reverses && !self.traffic.cars[car].reversed;
        let opened = d.filter(|d| d.decision == LaneDecision::Open);
        if let Some(event_id) = opened.and_then(|d| d.event_id.clone()) {
            self.want_after(car, node, Wish::Close { event_id, passed: !reverses, exit: true }, 2_000);
        }
        if reverses {
            self.traffic.cars[car].reversed = true;
            self.traffic.cars[car].phase = Phase::Inside;
            self.at(20_000, Moment::Car { car });
        } else {
            self.next_visit(car);
        }
    }

    fn next_visit(&mut self, car: usize) {
        let now = self.now;
        let healed = self.healed;
        let c = &mut self.traffic.cars[car];
        c.visit += 1;
        c.phase = Phase::Away;
        c.reversed = false;
        c.session = None;
        if let Some(v) = c.visits.get(c.visit)
            && !healed
        {
            let after = (v.at - now).max(75_000);
            self.at(after, Moment::Car { car });
        }
    }
}
