//! What a round reads, from the simulated store. It answers at once: a future that is not ready on the first look is a bug.

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ::writer::{Answer, Facts, Log};
use parking::fact::Fact;
use parking::rights::Counts;
use replication::log::{HeldEvent, WriterHead};
use replication::positions::Positions;
use wire::event::Credential;
use wire::hash::{CommandId, PlateTag};
use wire::position::Position;

use crate::store::Store;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Reads<'a>(pub &'a Store);

/// Runs what needs nothing but the store.
pub fn at_once<T>(reading: impl Future<Output = Result<T, Infallible>>) -> T {
    match pin!(reading).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(t)) => t,
        Poll::Pending => unreachable!("the store answers at once"),
    }
}

type Now<T> = Result<T, Infallible>;

impl Facts for Reads<'_> {
    type Error = Infallible;

    fn belonging(
        &mut self,
        tags: &BTreeSet<PlateTag>,
        openings: &[(Position, Option<PlateTag>)],
    ) -> impl Future<Output = Now<Vec<Fact>>> + Send {
        let mut facts = self.0.of_tags(tags);
        facts.append(&mut self.0.of_openings(openings));
        ready(Ok(facts))
    }
}

impl Log for Reads<'_> {
    fn head(&mut self) -> impl Future<Output = Now<WriterHead>> + Send {
        ready(Ok(self.0.head))
    }

    fn streams(&mut self) -> impl Future<Output = Now<Positions>> + Send {
        ready(Ok(self.0.streams.clone()))
    }

    fn policies(&mut self) -> impl Future<Output = Now<Vec<Fact>>> + Send {
        ready(Ok(self.0.policies()))
    }

    fn register(&mut self) -> impl Future<Output = Now<Vec<Fact>>> + Send {
        ready(Ok(self.0.register()))
    }

    fn inside(&mut self) -> impl Future<Output = Now<Counts>> + Send {
        ready(Ok(self.0.rows.inside()))
    }

    fn lane_events(&mut self, since: i64) -> impl Future<Output = Now<Vec<Fact>>> + Send {
        ready(Ok(self.0.lane_events(since)))
    }

    fn lately(&mut self, arrival: i64, since: i64) -> impl Future<Output = Now<BTreeSet<PlateTag>>> + Send {
        ready(Ok(self.0.lately(arrival, since)))
    }

    fn behind(&mut self) -> impl Future<Output = Now<Option<i64>>> + Send {
        ready(Ok(self.0.behind))
    }

    fn tags_since(&mut self, arrival: i64) -> impl Future<Output = Now<BTreeSet<PlateTag>>> + Send {
        ready(Ok(self.0.tags_since(arrival)))
    }

    fn tags_after(
        &mut self,
        after: Option<PlateTag>,
    ) -> impl Future<Output = Now<BTreeSet<PlateTag>>> + Send {
        ready(Ok(self.0.tags_after(after)))
    }

    fn held_at(&mut self, at: &[Position]) -> impl Future<Output = Now<Vec<(Position, HeldEvent)>>> + Send {
        let of = |p: &Position| self.0.held_at(p).into_iter().map(|h| (p.clone(), h)).collect::<Vec<_>>();
        ready(Ok(at.iter().flat_map(of).collect()))
    }

    fn awaited(&mut self) -> impl Future<Output = Now<HashSet<Position>>> + Send {
        ready(Ok(self.0.awaited()))
    }

    fn answered(
        &mut self,
        answers: &[CommandId],
        facts: &[CommandId],
        _now: i64,
    ) -> impl Future<Output = Now<(Vec<Answer>, Vec<Fact>)>> + Send {
        let answers = answers.iter().filter_map(|id| self.0.answer(*id).cloned()).collect();
        ready(Ok((answers, self.0.of_commands(facts))))
    }

    fn by_card(&mut self, cards: &[&Credential]) -> impl Future<Output = Now<Vec<Option<PlateTag>>>> + Send {
        ready(Ok(cards.iter().map(|c| self.0.rows.open_with(c).map(|r| r.row.plate_tag)).collect()))
    }

    fn by_name(&mut self, names: &[&str]) -> impl Future<Output = Now<Vec<Option<PlateTag>>>> + Send {
        ready(Ok(names.iter().map(|n| self.0.rows.named(n).map(|r| r.row.plate_tag)).collect()))
    }

    fn open_plates(&mut self) -> impl Future<Output = Now<Vec<String>>> + Send {
        let open = self.0.rows.history().filter(|r| r.row.is_open());
        ready(Ok(open.filter_map(|r| r.row.plate_key.clone()).collect()))
    }

    fn due(&mut self, now: i64, limit: usize) -> impl Future<Output = Now<BTreeSet<PlateTag>>> + Send {
        ready(Ok(self.0.rows.due(now, limit)))
    }
}
