//! The writer's queue: what the next round takes. Commands and live events come before backlog, and backlog still has its turn: each
//! round of the one is followed by at most one of the other. Every lane is bounded; what does not fit is given back at once.

use std::collections::VecDeque;
use std::ops::Range;

use wire::bus::events::{ApplyLane, ApplyReply};

/// Commands of one round at most.
const COMMANDS: usize = 64;
/// Live events of one round at most (a message more or less).
const LIVE_EVENTS: usize = 512;
/// Events of a catch-up page stored in one transaction: bounds how long a command waits behind one.
const BACKLOG_EVENTS: usize = 1000;

/// Jobs waiting at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Commands.
    pub commands: usize,
    /// Live messages (each holds a coalesced handful of events).
    pub live: usize,
    /// Catch-up pages.
    pub backlog: usize,
}

/// A catch-up page on its way, a chunk at a time.
#[derive(Debug, Clone)]
pub struct Page<A> {
    /// Whose.
    pub job: A,
    /// What became of it so far.
    pub reply: ApplyReply,
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
        /// In order of receipt.
        commands: Vec<C>,
        /// In order of receipt.
        live: Vec<A>,
        /// Look for time-outs.
        sweep: bool,
    },
    /// The next chunk of a catch-up page; to be given back ([`Queue::put_back`]) while some of it is left.
    Back(Page<A>),
}

/// See the module.
#[derive(Debug)]
pub struct Queue<C, A> {
    bounds: Bounds,
    commands: VecDeque<C>,
    live: VecDeque<(usize, A)>,
    backlog: VecDeque<(usize, A)>,
    page: Option<Page<A>>,
    sweep: bool,
    backlog_next: bool,
}

impl<C, A> Queue<C, A> {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            commands: VecDeque::new(),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            page: None,
            sweep: false,
            backlog_next: false,
        }
    }

    /// Queues a command. Errors: it does not fit.
    pub fn command(&mut self, job: C) -> Result<(), C> {
        if self.commands.len() >= self.bounds.commands {
            return Err(job);
        }
        self.commands.push_back(job);
        Ok(())
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

    /// True when nothing waits.
    pub fn is_idle(&self) -> bool {
        self.commands.is_empty()
            && self.live.is_empty()
            && self.backlog.is_empty()
            && self.page.is_none()
            && !self.sweep
    }

    /// What the next round takes; none when there is nothing to do.
    pub fn next_turn(&mut self) -> Option<Turn<C, A>> {
        let front = !self.commands.is_empty() || !self.live.is_empty() || self.sweep;
        if self.page.is_none() {
            self.page = self.backlog.pop_front().map(|(events, job)| Page {
                job,
                reply: ApplyReply::default(),
                events,
                at: 0,
            });
        }
        if let Some(page) = self.page.take_if(|_| self.backlog_next || !front) {
            self.backlog_next = false;
            return Some(Turn::Back(page));
        }
        if !front {
            return None;
        }
        self.backlog_next = true;
        let take = self.commands.len().min(COMMANDS);
        let commands = self.commands.drain(..take).collect();
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
        (self.commands.drain(..).collect(), applies.chain(self.page.take().map(|p| p.job)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<u32, &'static str> {
        Queue::new(Bounds { commands: 100, live: 3, backlog: 2 })
    }

    #[test]
    fn what_does_not_fit_is_given_back() {
        let mut q = queue();
        assert!((0..100).all(|n| q.command(n).is_ok()));
        assert_eq!(q.command(100), Err(100));
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
            assert!(q.command(round).is_ok());
            match q.next_turn() {
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
                None => panic!("there is work"),
            }
        }
        assert_eq!(chunks, [0..1000, 1000..2000, 2000..2500]);
    }

    #[test]
    fn a_round_is_bounded_and_an_idle_queue_gives_none() {
        let mut q = queue();
        assert!((0..100).all(|n| q.command(n).is_ok()));
        assert!((0..3).all(|_| q.apply(ApplyLane::Live, 300, "live").is_ok()));
        q.sweep();
        let Some(Turn::Front { commands, live, sweep }) = q.next_turn() else { panic!("there is work") };
        assert_eq!((commands.len(), commands[0], live.len(), sweep), (64, 0, 2, true));
        let Some(Turn::Front { commands, live, sweep }) = q.next_turn() else { panic!("there is work") };
        assert_eq!((commands.len(), commands[0], live.len(), sweep), (36, 64, 1, false));
        assert!(q.next_turn().is_none() && q.is_idle());
    }
}
