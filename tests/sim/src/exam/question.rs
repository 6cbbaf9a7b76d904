//! What is asked: a scene puts one question after the other, each with the answer it must get.

use wire::bus::command::{Command, RegisterChange, Seen, SessionAction};
use wire::event::Credential;
use wire::position::SeqRange;

use super::want::{Heard, Want};
use crate::traffic::ask::{self, Opening};

/// Where and when questions are asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Site {
    /// The two centrals (in a large mesh, twice the same).
    pub(super) nodes: [usize; 2],
    /// Their names.
    pub(super) centrals: [String; 2],
    /// The moment, ms since the epoch.
    pub(super) now: i64,
    /// The duplicate window in force, ms.
    pub(super) window_ms: i64,
    /// What is known to have been and nobody holds.
    pub(super) gap: Option<SeqRange>,
}

/// One of the scenes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// For people.
    pub(super) name: &'static str,
    /// Its place among all of them: its vehicles are its own.
    pub(super) number: usize,
    /// So long nothing may have happened at its lanes before, ms.
    pub(super) pause_ms: i64,
    /// What the seed drew for it.
    pub(super) pick: usize,
    /// The next question, after these answers; none at the end.
    pub(super) next: fn(&Ctx<'_>) -> Option<Question>,
}

/// A question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Which of the two centrals is asked.
    pub(super) at: usize,
    pub(super) command: Command,
    pub(super) key: String,
    /// When what it tells of happened, ms since the epoch.
    pub(super) happened_at: i64,
    pub(super) want: Want,
}

impl Question {
    /// Asked with the key of an earlier question.
    pub(super) fn with_key_of(mut self, ctx: &Ctx<'_>, step: usize) -> Self {
        self.key = ctx.key(step);
        self
    }

    pub(super) fn wants(mut self, want: Want) -> Self {
        self.want = want;
        self
    }
}

/// What the next question hangs on.
#[derive(Debug)]
pub(super) struct Ctx<'a> {
    pub(super) scene: &'a Scene,
    pub(super) site: &'a Site,
    pub(super) heard: &'a [Heard],
}

impl Ctx<'_> {
    /// Questions answered so far.
    pub(super) fn step(&self) -> usize {
        self.heard.len()
    }

    /// A vehicle of this scene; no two of them resemble each other, nor any car of the day.
    pub(super) fn plate(&self, n: usize) -> String {
        let k = self.scene.number * 4 + n;
        format!("75K-{:03}.{:02}", (k * 271 + 113) % 1000, (k * 37 + 41) % 100)
    }

    fn key(&self, step: usize) -> String {
        format!("exam-{}-{step}", self.scene.number)
    }

    /// What a lane sees right now.
    pub(super) fn sees(&self, plate: &str) -> Seen {
        self.saw(plate, self.site.now)
    }

    /// What a lane saw at another moment and delivers now.
    pub(super) fn saw(&self, plate: &str, at: i64) -> Seen {
        let (captured_at, sent_at) = (Some(at), Some(self.site.now));
        Seen { plate: plate.to_owned(), captured_at, sent_at, ..Seen::default() }
    }

    /// At an entry.
    pub(super) fn enter(&self, at: usize, seen: Seen) -> Question {
        self.open(at, false, Opening { seen, ..Opening::default() })
    }

    /// At an exit.
    pub(super) fn leave(&self, at: usize, seen: Seen) -> Question {
        self.open(at, true, Opening { seen, ..Opening::default() })
    }

    /// At an exit, with whatever goes with it.
    pub(super) fn leave_with(&self, at: usize, opening: Opening) -> Question {
        self.open(at, true, opening)
    }

    fn open(&self, at: usize, exit: bool, opening: Opening) -> Question {
        let class = opening.seen.vehicle_class.clone().unwrap_or_else(|| "car".to_owned());
        let lane = ask::lane(self.site.nodes[at], exit, &class, &opening.seen.plate);
        let happened_at = opening.seen.captured_at.unwrap_or(self.site.now);
        self.ask(at, opening.command(lane), happened_at)
    }

    /// A suggestion at an exit.
    pub(super) fn detect(&self, at: usize, seen: Seen) -> Question {
        let lane = ask::lane(self.site.nodes[at], true, "car", &seen.plate);
        self.ask(at, Command::Detect { lane, seen }, self.site.now)
    }

    /// The barrier closed behind the session of an earlier answer.
    pub(super) fn close(&self, at: usize, exit: bool, step: usize, passed: bool) -> Question {
        let lane = ask::lane(self.site.nodes[at], exit, "car", "");
        let event_id = self.heard[step].event_id.clone();
        let (captured_at, sent_at) = (Some(self.site.now), Some(self.site.now));
        let command = Command::Close { lane, event_id, passed, captured_at, sent_at, tailgate: false };
        self.ask(at, command, self.site.now)
    }

    /// The barrier closed behind whatever it was that waited longest, which is the session of an earlier answer.
    pub(super) fn close_unnamed(&self, at: usize, passed: bool) -> Question {
        let lane = ask::lane(self.site.nodes[at], false, "car", "");
        let (captured_at, sent_at) = (Some(self.site.now), Some(self.site.now));
        let command = Command::Close { lane, event_id: None, passed, captured_at, sent_at, tailgate: false };
        self.ask(at, command, self.site.now).wants(Want::closed("CONFIRMED").session(self.step() - 1))
    }

    /// A person acts on the session of an earlier answer.
    pub(super) fn act(&self, at: usize, step: usize, act: &SessionAction) -> Question {
        let event_id = self.heard[step].event_id.clone().unwrap_or_default();
        self.ask(at, ask::act(&event_id, act), self.site.now)
    }

    /// A person changes the register.
    pub(super) fn register(&self, at: usize, change: RegisterChange) -> Question {
        let (staff_id, reason) = ("staff-1".to_owned(), "because".to_owned());
        let command = Command::Register { change: Box::new(change), staff_id, pin: None, reason };
        self.ask(at, command, self.site.now)
    }

    /// Whatever else.
    pub(super) fn ask(&self, at: usize, command: Command, happened_at: i64) -> Question {
        Question { at, command, key: self.key(self.step()), happened_at, want: Want::default() }
    }
}

/// A card of its own for each scene.
pub(super) fn card(ctx: &Ctx<'_>, n: usize) -> Option<Credential> {
    Some(crate::traffic::card(&format!("X{}-{n}", ctx.scene.number)))
}
