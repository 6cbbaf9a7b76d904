//! The open loop: requests leave at their pace; what comes of them decides what follows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::TrafficOptions;
use super::cars::{Car, CarMaker, Whereabouts};
use super::lane::{Decision, Done, Lane, Outcome, Request, Step, send};
use super::sight::{Key, Shown, Sightings, follow};
use crate::api::Api;
use crate::clock;
use crate::lab_file::LabFile;
use crate::settings::random_hex;
use crate::topology::Direction;

/// A request that has no answer after this long counts as a maybe and is repeated.
const REQUEST_TIME_OUT: Duration = Duration::from_secs(5);
/// How long after the last new car outstanding passages and repeats are still sent.
const DRAIN: Duration = Duration::from_secs(15);
/// A car that staff would have to let out comes back with a new request this often.
const EXIT_TRIES: u32 = 6;
/// A car is read twice within this time of having been seen first: half of what makes it a new one.
const BURST: SignedDuration = SignedDuration::from_secs(30);

/// An event the lab has acknowledged to a lane.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) key: Key,
    /// The car it is about, and where.
    pub(crate) car: usize,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    /// Repeated requests say nothing about latency: an earlier attempt may have made the event.
    pub(crate) first_attempt: bool,
}

/// Everything known when the last request is answered.
pub(crate) struct Traffic {
    pub(crate) cars: Vec<Car>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) sightings: Sightings,
    pub(crate) shown: mpsc::Receiver<Shown>,
    /// Ends the streams when dropped.
    pub(crate) streams: JoinSet<()>,
    pub(crate) began_at: Timestamp,
    pub(crate) counts: Counts,
    /// Events that only a destroyed disk held.
    pub(crate) destroyed: usize,
    /// Answers that cannot be right.
    pub(crate) wrong: Vec<String>,
}

/// What was sent and answered.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    /// Requests that make an event, each counted once.
    pub(crate) sent: u64,
    /// Every request that went out, repeats too.
    pub(crate) attempts: u64,
    pub(crate) not_recorded: u64,
    pub(crate) maybe: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) unanswered: BTreeMap<String, u64>,
}

pub(crate) struct Run {
    options: TrafficOptions,
    maker: CarMaker,
    lanes: Vec<Lane>,
    entries: Vec<usize>,
    exits: Vec<usize>,
    agenda: BinaryHeap<Reverse<Job>>,
    jobs: u64,
    answers: mpsc::UnboundedSender<Done>,
    inbox: mpsc::UnboundedReceiver<Done>,
    in_flight: u64,
    traffic: Traffic,
}

/// A request to be sent at a moment; ordered by it.
struct Job {
    due: Instant,
    number: u64,
    request: Request,
}

impl Job {
    fn order(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Job {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl Run {
    /// Opens the streams, where they are watched, and makes the lanes.
    pub(crate) async fn start(file: &LabFile, options: TrafficOptions) -> Result<Self> {
        let http = Api::http(REQUEST_TIME_OUT)?;
        let (mut lanes, mut entries, mut exits) = (Vec::new(), Vec::new(), Vec::new());
        for central in &file.centrals {
            for edge in &central.edges {
                match edge.direction {
                    Direction::Entry => entries.push(lanes.len()),
                    Direction::Exit => exits.push(lanes.len()),
                }
                let api = Api::new(http.clone(), central.gateway.clone(), edge.api_key.clone());
                lanes.push(Lane { edge: edge.id.clone(), api, stuck: 0 });
            }
        }
        let (to, shown) = mpsc::channel(10_000);
        let (connected, mut connections) = mpsc::channel(64);
        let mut streams = JoinSet::new();
        let watched = file.centrals.iter().enumerate().filter(|_| options.watch);
        for (number, central) in watched {
            let api = Api::new(http.clone(), central.gateway.clone(), file.admin_token.clone());
            streams.spawn(follow(api, number, connected.clone(), to.clone()));
        }
        // What a stream misses at the beginning is found by asking at the end.
        let to_come = streams.len();
        let all_connected = async {
            for _ in 0..to_come {
                connections.recv().await;
            }
        };
        let _ = timeout(Duration::from_secs(3), all_connected).await;
        let (answers, inbox) = mpsc::unbounded_channel();
        let began_at = clock::now();
        let run = u64::try_from(began_at.as_millisecond()).unwrap_or_default();
        Ok(Self {
            options,
            maker: CarMaker::new(options.seed, run),
            lanes,
            entries,
            exits,
            agenda: BinaryHeap::new(),
            jobs: 0,
            answers,
            inbox,
            in_flight: 0,
            traffic: Traffic {
                cars: Vec::new(),
                acknowledged: Vec::new(),
                sightings: Sightings::default(),
                shown,
                streams,
                began_at,
                counts: Counts::default(),
                destroyed: 0,
                wrong: Vec::new(),
            },
        })
    }

    /// Sends for the agreed time, then lets what has begun come to its end.
    pub(crate) async fn drive(mut self, progress: &impl Fn(&str)) -> Traffic {
        let begun = Instant::now();
        let mut ticks = interval(Duration::from_millis(2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut reports = interval(Duration::from_secs(5));
        reports.tick().await;
        let end = Duration::from_secs_f64(self.options.seconds);
        loop {
            tokio::select! {
                Some(done) = self.inbox.recv() => self.follow_up(done),
                Some(shown) = self.traffic.shown.recv() => self.traffic.sightings.note(shown),
                _ = reports.tick() => progress(&self.progress(begun.elapsed())),
                _ = ticks.tick() => {
                    let elapsed = begun.elapsed();
                    self.send_due(elapsed, elapsed < end);
                    let finished = self.in_flight == 0 && self.agenda.is_empty();
                    if elapsed >= end && (finished || elapsed >= end + DRAIN && self.in_flight == 0) {
                        break;
                    }
                }
            }
        }
        // What is still to be repeated stays unanswered: it may have counted or not.
        for Reverse(job) in std::mem::take(&mut self.agenda) {
            if job.request.attempts > 0 && job.request.step.records() {
                self.traffic.counts.maybe += 1;
                self.car(job.request.car).unsure = true;
            }
        }
        self.traffic
    }

    fn progress(&self, elapsed: Duration) -> String {
        let counts = &self.traffic.counts;
        let refused: u64 = counts.refused.values().sum();
        let stuck: u32 = self.lanes.iter().map(|lane| lane.stuck).sum();
        format!(
            "{:>5.0} s  sent {}, acknowledged {} events, refused {refused}, waiting for an answer {}, lanes stuck {stuck}",
            elapsed.as_secs_f64(),
            counts.attempts,
            self.traffic.acknowledged.len(),
            self.in_flight,
        )
    }

    /// Sends as many requests as the pace allows by now: first what is due, then new cars.
    fn send_due(&mut self, elapsed: Duration, new_cars: bool) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, checked by the verb"
        )]
        let allowed = (elapsed.as_secs_f64() * self.options.rate) as u64;
        let now = Instant::now();
        // After a hang of this process the backlog is not sent as one burst.
        let mut budget = allowed.saturating_sub(self.traffic.counts.attempts).min(200);
        while budget > 0 {
            let due = self.agenda.peek().is_some_and(|Reverse(job)| job.due <= now);
            if let Some(Reverse(job)) = due.then(|| self.agenda.pop()).flatten() {
                // After the end nobody drives to the exit any more.
                if !new_cars && job.request.step == Step::Exit && job.request.attempts == 0 {
                    continue;
                }
                self.launch(job.request);
            } else if new_cars && let Some(lane) = self.free_lane(Direction::Entry) {
                self.arrive(lane);
            } else {
                return;
            }
            budget -= 1;
        }
    }

    /// A lane where no request waits for its answer: behind a stuck car nobody moves.
    fn free_lane(&mut self, direction: Direction) -> Option<usize> {
        let lanes = match direction {
            Direction::Entry => &self.entries,
            Direction::Exit => &self.exits,
        };
        let start = self.maker.pick(lanes.len());
        let around = lanes.iter().cycle().skip(start).take(lanes.len());
        around.copied().find(|lane| self.lanes.get(*lane).is_some_and(|lane| lane.stuck == 0))
    }

    fn arrive(&mut self, lane: usize) {
        let car = self.maker.make();
        let number = self.traffic.cars.len();
        let temper = car.temper;
        self.traffic.cars.push(car);
        let seen_at = clock::now() - SignedDuration::from_secs(temper.late_s);
        let enter = self.request(number, Step::Enter, lane, seen_at);
        if temper.detected_first {
            let detect = Request { step: Step::Detect, key: random_hex(16), ..enter.clone() };
            self.launch(detect);
            self.plan(enter, Duration::from_millis(150));
        } else {
            self.launch(enter);
        }
    }

    fn request(&self, car: usize, step: Step, lane: usize, seen_at: Timestamp) -> Request {
        let edge = self.lanes.get(lane).map(|lane| lane.edge.clone()).unwrap_or_default();
        let (plate, event_id) = self
            .traffic
            .cars
            .get(car)
            .map(|car| (car.plate.clone(), car.event_id.clone()))
            .unwrap_or_default();
        let seen_at = seen_at.to_string();
        let body = match step {
            Step::Detect | Step::Enter | Step::Repeat | Step::ReadAgain | Step::Exit => {
                json!({"edge_id": edge, "plate": plate, "confidence": 0.95, "captured_at": seen_at})
            }
            Step::PassEntry | Step::PassExit => {
                json!({"edge_id": edge, "event_id": event_id, "passed": true, "captured_at": seen_at})
            }
            Step::BackOut => {
                json!({"edge_id": edge, "event_id": event_id, "passed": false, "captured_at": seen_at})
            }
        };
        Request { car, step, lane, key: random_hex(16), body, attempts: 0 }
    }

    fn plan(&mut self, request: Request, delay: Duration) {
        self.jobs += 1;
        self.agenda.push(Reverse(Job { due: Instant::now() + delay, number: self.jobs, request }));
    }

    fn launch(&mut self, request: Request) {
        let Some(lane) = self.lanes.get(request.lane) else { return };
        let counts = &mut self.traffic.counts;
        counts.attempts += 1;
        if request.attempts == 0 && request.step.records() {
            counts.sent += 1;
        }
        self.in_flight += 1;
        let (api, answers) = (lane.api.clone(), self.answers.clone());
        tokio::spawn(async move {
            // The receiver lives until everything in flight is answered.
            let _ = answers.send(send(api, request).await);
        });
    }

    fn follow_up(&mut self, done: Done) {
        self.in_flight -= 1;
        let Done { request, outcome, sent, answered } = done;
        let was_stuck = request.attempts > 1;
        match outcome {
            Outcome::Maybe(why) => {
                *self.traffic.counts.unanswered.entry(why).or_default() += 1;
                if let Some(lane) = self.lanes.get_mut(request.lane).filter(|_| !was_stuck) {
                    lane.stuck += 1;
                }
                let pause = Duration::from_millis(200 << request.attempts.min(4)).min(Duration::from_secs(2));
                return self.plan(request, pause);
            }
            Outcome::Refused(why) => {
                *self.traffic.counts.refused.entry(why).or_default() += 1;
            }
            Outcome::Acknowledged(decision) => self.acknowledged(&request, &decision, sent, answered),
        }
        if let Some(lane) = self.lanes.get_mut(request.lane).filter(|_| was_stuck) {
            lane.stuck = lane.stuck.saturating_sub(1);
        }
    }

    fn acknowledged(&mut self, request: &Request, decision: &Decision, sent: Instant, answered: Instant) {
        let kind = match request.step {
            Step::Detect => return,
            Step::Repeat | Step::ReadAgain => return self.check_again(request, decision),
            Step::Enter => self.entered(request, decision),
            Step::PassEntry => self.passed_entry(request),
            Step::BackOut => {
                self.car(request.car).whereabouts = Whereabouts::BackedOut;
                Some("VEHICLE_ENTRY_ABANDONED")
            }
            Step::Exit => self.left(request, decision),
            Step::PassExit => {
                self.car(request.car).whereabouts = Whereabouts::Left;
                Some("VEHICLE_EXIT_CONFIRMED")
            }
        };
        let Some((kind, event_id)) = kind.zip(self.car(request.car).event_id.clone()) else { return };
        self.traffic.acknowledged.push(Acknowledged {
            key: (kind.to_owned(), event_id),
            car: request.car,
            sent,
            answered,
            first_attempt: request.attempts == 1,
        });
    }

    fn entered(&mut self, request: &Request, decision: &Decision) -> Option<&'static str> {
        let fresh = decision.kind.as_deref() == Some("ENTRY") && decision.recorded == Some(true);
        if !fresh || decision.event_id.is_none() {
            self.traffic.counts.not_recorded += 1;
            self.wrong(request, "a car nobody knows was not admitted", decision);
            return None;
        }
        let car = self.car(request.car);
        car.event_id.clone_from(&decision.event_id);
        car.whereabouts = Whereabouts::AtEntry;
        let temper = car.temper;
        if temper.repeated {
            let again = Request { step: Step::Repeat, attempts: 0, ..request.clone() };
            self.plan(again, Duration::ZERO);
        }
        let seen_at = clock::now() - SignedDuration::from_secs(temper.late_s);
        // Where the first answer took longer, its passage has timed out by now, and who is read again comes anew.
        let first = request.body["captured_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        if temper.read_twice && first.is_some_and(|first| seen_at - BURST < first) {
            let again = self.request(request.car, Step::ReadAgain, request.lane, seen_at);
            self.plan(again, Duration::from_millis(100));
        }
        let passing = if temper.backs_out { Step::BackOut } else { Step::PassEntry };
        let passes_at = seen_at + SignedDuration::from_secs(5).min(SignedDuration::from_secs(temper.late_s));
        let pass = self.request(request.car, passing, request.lane, passes_at);
        self.plan(pass, Duration::from_millis(temper.passing_ms));
        Some("VEHICLE_ENTRY_PENDING")
    }

    fn passed_entry(&mut self, request: &Request) -> Option<&'static str> {
        let car = self.car(request.car);
        car.whereabouts = Whereabouts::Inside;
        let temper = car.temper;
        if temper.leaves {
            self.go_to_exit(request.car, Duration::from_millis(temper.stay_ms));
        }
        Some("VEHICLE_ENTRY_CONFIRMED")
    }

    fn go_to_exit(&mut self, car: usize, delay: Duration) {
        // With every exit stuck the car waits inside for good; that is true too.
        if let Some(lane) = self.free_lane(Direction::Exit) {
            let seen_at = clock::now() + SignedDuration::try_from(delay).unwrap_or_default();
            let exit = self.request(car, Step::Exit, lane, seen_at);
            self.plan(exit, delay);
        }
    }

    fn left(&mut self, request: &Request, decision: &Decision) -> Option<&'static str> {
        if decision.kind.as_deref() != Some("EXIT") || decision.recorded != Some(true) {
            // The entry may not have come this far yet; a real driver is not let out for free either.
            self.traffic.counts.not_recorded += 1;
            let car = self.car(request.car);
            car.sent_back += 1;
            if car.sent_back < EXIT_TRIES && decision.decision.as_deref() == Some("ask_staff") {
                self.go_to_exit(request.car, Duration::from_secs(1));
            }
            return None;
        }
        if decision.event_id != self.car(request.car).event_id {
            self.wrong(request, "the exit closed another car's session", decision);
        }
        let car = self.car(request.car);
        car.whereabouts = Whereabouts::AtExit;
        car.fee = decision.fee;
        let passing = Duration::from_millis(car.temper.passing_ms);
        let passes_at = clock::now() + SignedDuration::try_from(passing).unwrap_or_default();
        let pass = self.request(request.car, Step::PassExit, request.lane, passes_at);
        self.plan(pass, passing);
        Some("VEHICLE_EXIT")
    }

    /// The same passage told again must name the same session.
    fn check_again(&mut self, request: &Request, decision: &Decision) {
        if decision.event_id != self.car(request.car).event_id {
            let what = if request.step == Step::Repeat {
                "a repeated request got another answer"
            } else {
                "a second read of a car got another session"
            };
            self.wrong(request, what, decision);
        }
    }

    fn wrong(&mut self, request: &Request, what: &str, decision: &Decision) {
        let edge = self.lanes.get(request.lane).map(|lane| lane.edge.as_str()).unwrap_or_default();
        let expected =
            self.traffic.cars.get(request.car).and_then(|car| car.event_id.as_deref()).unwrap_or("none");
        self.traffic.wrong.push(format!("{what} ({edge}, session {expected}): {decision:?}"));
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "cars are only added, and requests are made of their numbers"
    )]
    fn car(&mut self, number: usize) -> &mut Car {
        &mut self.traffic.cars[number]
    }
}
