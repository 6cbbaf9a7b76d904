//! The writer's queue: what the next round takes. Commands and live events come before what can wait (backlog, and rows to be made of
//! it), and that still has its turn: each round of the one is followed by at most one of the other. Every lane is bounded; what does
//! not fit is given back at once. Commands are taken from those who sent them in turn, so whoever sends many waits behind its own.

use std::collections::VecDeque;
use std::ops::Range;

use wire::bus::events::{ApplyLane, ApplyReply};

use crate::fair::Fair;
use crate::later::Waiting;

/// Commands of one round at most.
const COMMANDS: usize = 64;
/// Live events of one round at most (a message more or less).
const LIVE_EVENTS: usize = 512;
/// Events of a catch-up page stored in one transaction: bounds how long a command waits behind one.
const BACKLOG_EVENTS: usize = 1000;
/// Steps of making rows between two chunks of a page, when rows are due: pages are answered meanwhile, and the rows catch up.
const STEPS_BETWEEN: u32 = 4;

/// Jobs waiting at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Commands.
    pub commands: usize,
    /// Live messages (each holds a coalesced handful of events).
    pub live: usize,
    /// Catch-up pages.
    pub backlog: usize,
    /// Events of a page whose rows are made in its own round; of a larger one they are made later.
    pub at_once: usize,
}

/// A catch-up page on its way, a chunk at a time.
#[derive(Debug, Clone)]
pub struct Page<A> {
    /// Whose.
    pub job: A,
    /// What became of it so far.
    pub reply: ApplyReply,
    /// The rows of its vehicles are made later.
    pub bulk: bool,
    events: usize,
    at: usize,
}

impl<A> Page<A> {
    /// The events to store next.
    pub fn chunk(&self) -> Range<usize> {
        self.at..(self.at + BACKLOG_EVENTS).min(self.events)
    }

    /// The chunk is stored, with these replies.
    pub fn took(&mut self, replies: impl IntoIterator<Item = ApplyReply>) {
        self.at = self.chunk().end;
        for r in replies {
            self.reply.stored += r.stored;
            self.reply.known += r.known;
            self.reply.poison += r.poison;
            self.reply.forks += r.forks;
            for h in r.holdings {
                self.reply.holdings.retain(|x| x.stream != h.stream);
                self.reply.holdings.push(h);
            }
        }
    }

    /// True when all of it is stored.
    pub fn is_done(&self) -> bool {
        self.at >= self.events
    }
}

/// What the next round takes.
#[derive(Debug)]
pub enum Turn<C, A> {
    /// Commands and live events, and passages whose time is up where `sweep` says so.
    Front {
        /// Of each sender in order of receipt, senders in turn.
        commands: Vec<C>,
        /// In order of receipt.
        live: Vec<A>,
        /// Look for time-outs.
        sweep: bool,
    },
    /// The next chunk of a catch-up page; to be given back ([`Queue::put_back`]) while some of it is left.
    Back(Page<A>),
    /// The next step of making rows ([`crate::Later::step`]).
    Later,
}

/// See the module.
#[derive(Debug)]
pub struct Queue<C, A> {
    bounds: Bounds,
    commands: Fair<C>,
    live: VecDeque<(usize, A)>,
    backlog: VecDeque<(usize, A)>,
    page: Option<Page<A>>,
    sweep: bool,
    back_next: bool,
    steps: u32,
}

impl<C, A> Queue<C, A> {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            commands: Fair::new(bounds.commands),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            page: None,
            sweep: false,
            back_next: false,
            steps: 0,
        }
    }

    /// Queues a command of somebody. Errors: it does not fit.
    pub fn command(&mut self, principal: &str, job: C) -> Result<(), C> {
        self.commands.push(principal, job)
    }

    /// Queues so many events. Errors: they do not fit.
    pub fn apply(&mut self, lane: ApplyLane, events: usize, job: A) -> Result<(), A> {
        let (queue, most) = match lane {
            ApplyLane::Live => (&mut self.live, self.bounds.live),
            ApplyLane::Backlog => (&mut self.backlog, self.bounds.backlog),
        };
        if queue.len() >= most {
            return Err(job);
        }
        queue.push_back((events, job));
        Ok(())
    }

    /// It is time to look for time-outs.
    pub fn sweep(&mut self) {
        self.sweep = true;
    }

    /// Commands waiting.
    pub fn commands(&self) -> usize {
        self.commands.len()
    }

    /// Jobs waiting: commands, live messages, catch-up pages.
    pub fn waiting(&self) -> [usize; 3] {
        [self.commands.len(), self.live.len(), self.backlog.len() + usize::from(self.page.is_some())]
    }

    /// True when nothing waits.
    pub fn is_idle(&self) -> bool {
        self.commands.is_empty()
            && self.live.is_empty()
            && self.backlog.is_empty()
            && self.page.is_none()
            && !self.sweep
    }

    /// What the next round takes; none when there is nothing to do. `rows`: how much vehicles press whose rows are to be made.
    pub fn next_turn(&mut self, rows: Waiting) -> Option<Turn<C, A>> {
        let front = !self.commands.is_empty() || !self.live.is_empty() || self.sweep;
        if self.page.is_none() {
            self.page = self.backlog.pop_front().map(|(events, job)| Page {
                job,
                reply: ApplyReply::default(),
                // The short end of what was read belongs to the catch-up before it: rows made now would be made again with the next page.
                bulk: events > self.bounds.at_once || rows != Waiting::Nothing,
                events,
                at: 0,
            });
        }
        let make_rows = match rows {
            Waiting::Nothing | Waiting::Soon => false,
            Waiting::CanWait => self.page.is_none(),
            Waiting::Due => self.page.is_none() || self.steps < STEPS_BETWEEN,
        };
        if (make_rows || self.page.is_some()) && (self.back_next || !front) {
            self.back_next = false;
            if make_rows {
                self.steps = if self.page.is_some() { self.steps + 1 } else { 0 };
                return Some(Turn::Later);
            }
            self.steps = 0;
            return self.page.take().map(Turn::Back);
        }
        if !front {
            return None;
        }
        self.back_next = true;
        let commands = self.commands.take(COMMANDS);
        let (mut live, mut events) = (Vec::new(), 0);
        while events < LIVE_EVENTS
            && let Some((n, job)) = self.live.pop_front()
        {
            events += n;
            live.push(job);
        }
        Some(Turn::Front { commands, live, sweep: std::mem::take(&mut self.sweep) })
    }

    /// The rest of a page waits for its next turn.
    pub fn put_back(&mut self, page: Page<A>) {
        self.page = Some(page);
    }

    /// Takes out everything: it cannot be done now.
    pub fn drain(&mut self) -> (Vec<C>, Vec<A>) {
        self.sweep = false;
        let applies = self.live.drain(..).chain(self.backlog.drain(..)).map(|(_, job)| job);
        (self.commands.take(usize::MAX), applies.chain(self.page.take().map(|p| p.job)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANES: [&str; 2] = ["edge-1", "edge-2"];

    fn queue() -> Queue<u32, &'static str> {
        Queue::new(Bounds { commands: 100, live: 3, backlog: 2, at_once: 500 })
    }

    #[test]
    fn what_does_not_fit_is_given_back() {
        let mut q = queue();
        assert!((0..100).all(|n| q.command(LANES[n as usize % 2], n).is_ok()));
        assert_eq!(q.command(LANES[0], 100), Err(100));
        assert!((0..3).all(|_| q.apply(ApplyLane::Live, 1, "live").is_ok()));
        assert_eq!(q.apply(ApplyLane::Live, 1, "live"), Err("live"));
        assert!((0..2).all(|_| q.apply(ApplyLane::Backlog, 1, "page").is_ok()));
        assert_eq!(q.apply(ApplyLane::Backlog, 1, "page"), Err("page"));
        let (commands, applies) = q.drain();
        assert_eq!((commands.len(), applies.len(), q.is_idle()), (100, 5, true));
    }

    #[test]
    fn live_and_backlog_take_turns_and_a_page_goes_in_chunks() {
        let mut q = queue();
        assert!(q.apply(ApplyLane::Backlog, 2_500, "page").is_ok());
        let mut chunks = Vec::new();
        for round in 0..6 {
            assert!(q.command(LANES[0], round).is_ok());
            match q.next_turn(Waiting::CanWait) {
                Some(Turn::Front { commands, .. }) => assert!(!commands.is_empty() && round % 2 == 0),
                Some(Turn::Back(mut page)) => {
                    chunks.push(page.chunk());
                    page.took([ApplyReply { stored: page.chunk().len() as u32, ..ApplyReply::default() }]);
                    if page.is_done() {
                        assert_eq!(page.reply.stored, 2_500);
                    } else {
                        q.put_back(page);
                    }
                }
                Some(Turn::Later) | None => panic!("there is other work"),
            }
        }
        assert_eq!(chunks, [0..1000, 1000..2000, 2000..2500]);
    }

    #[test]
    fn a_round_is_bounded_and_an_idle_queue_gives_none() {
        let mut q = queue();
        assert!((0..100).all(|n| q.command(LANES[n as usize % 2], n).is_ok()));
        assert!((0..3).all(|_| q.apply(ApplyLane::Live, 300, "live").is_ok()));
        q.sweep();
        let Some(Turn::Front { commands, live, sweep }) = q.next_turn(Waiting::Nothing) else {
            panic!("there is work")
        };
        assert_eq!((commands.len(), commands[0], live.len(), sweep), (64, 0, 2, true));
        let Some(Turn::Front { commands, live, sweep }) = q.next_turn(Waiting::Nothing) else {
            panic!("there is work")
        };
        assert_eq!((commands.len(), commands[0], live.len(), sweep), (36, 64, 1, false));
        assert!(q.next_turn(Waiting::Nothing).is_none() && q.is_idle());
    }

    #[test]
    fn rows_are_made_when_no_page_waits_and_in_between_when_they_are_due() {
        let mut q = queue();
        assert!(matches!(q.next_turn(Waiting::CanWait), Some(Turn::Later)));
        assert!(q.apply(ApplyLane::Backlog, 3_000, "page").is_ok());
        let mut order = Vec::new();
        for _ in 0..2 * (STEPS_BETWEEN + 1) {
            match q.next_turn(Waiting::Due) {
                Some(Turn::Later) => order.push("rows"),
                Some(Turn::Back(mut page)) => {
                    assert!(page.bulk);
                    order.push("page");
                    page.took([]);
                    q.put_back(page);
                }
                _ => panic!("no lane waits"),
            }
        }
        let steps = STEPS_BETWEEN as usize;
        assert!(
            order.chunks(steps + 1).all(|c| c[..steps].iter().all(|o| *o == "rows") && c[steps] == "page")
        );
        assert!(q.command(LANES[0], 1).is_ok());
        assert!(matches!(q.next_turn(Waiting::CanWait), Some(Turn::Front { .. })));
        assert!(matches!(q.next_turn(Waiting::CanWait), Some(Turn::Back(_))));
        assert!(q.next_turn(Waiting::Nothing).is_none());
    }

    #[test]
    fn lanes_have_every_other_turn_while_rows_are_made() {
        let mut q = queue();
        let turns: Vec<bool> = (0..6)
            .map(|n| {
                assert!(q.command(LANES[n as usize % 2], n).is_ok());
                matches!(q.next_turn(Waiting::Due), Some(Turn::Front { .. }))
            })
            .collect();
        assert_eq!(turns, [true, false, true, false, true, false]);
    }

    #[test]
    fn a_short_page_of_a_long_catch_up_makes_no_rows_and_one_alone_does() {
        for (rows, bulk) in [(Waiting::Nothing, false), (Waiting::Soon, true), (Waiting::CanWait, true)] {
            let mut q = queue();
            assert!(q.apply(ApplyLane::Backlog, 20, "page").is_ok());
            match q.next_turn(rows) {
                Some(Turn::Back(page)) => assert_eq!(page.bulk, bulk, "{rows:?}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(queue().next_turn(Waiting::Soon).is_none(), "they wait for the next page");
    }
}
