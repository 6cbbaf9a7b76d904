//! What the writer reads of the store. Postgres takes its time; a simulated store answers at once.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;

use parking::fact::Fact;
use parking::rights::Counts;
use replication::log::{HeldEvent, WriterHead};
use replication::positions::Positions;
use wire::event::Credential;
use wire::hash::{CommandId, PlateTag};
use wire::position::Position;

use crate::writes::Answer;

/// Facts that belong together, read step by step ([`crate::closure::load`]). Poison is left out; facts may come more than once.
pub trait Facts {
    /// Why a read failed.
    type Error;

    /// Every fact with one of these plate tags; every fact at one of these positions (all branches) and every one that names one,
    /// except those with the tag beside the position, which are loaded already or in this very read. One read: it is made in
    /// every round, and a round of one event at each of ten centrals is the common one.
    fn belonging(
        &mut self,
        tags: &BTreeSet<PlateTag>,
        openings: &[(Position, Option<PlateTag>)],
    ) -> impl Future<Output = Result<Vec<Fact>, Self::Error>> + Send;
}

/// Everything else. All of it is what was committed: nobody else writes.
pub trait Log: Facts {
    /// The head committed last.
    fn head(&mut self) -> impl Future<Output = Result<WriterHead, Self::Error>> + Send;

    /// The position map.
    fn streams(&mut self) -> impl Future<Output = Result<Positions, Self::Error>> + Send;

    /// Every policy, in order of arrival.
    fn policies(&mut self) -> impl Future<Output = Result<Vec<Fact>, Self::Error>> + Send;

    /// Every event of the register (lists, passes, …), in order of arrival.
    fn register(&mut self) -> impl Future<Output = Result<Vec<Fact>, Self::Error>> + Send;

    /// Vehicles inside by their rows, per central, car park and class.
    fn inside(&mut self) -> impl Future<Output = Result<Counts, Self::Error>> + Send;

    /// Every event that sets the mode of a lane, and what else happened about lanes since this moment, ms. Any order.
    fn lane_events(&mut self, since: i64) -> impl Future<Output = Result<Vec<Fact>, Self::Error>> + Send;

    /// Vehicles that wait for a time-out of this central, and those with a passage stored after this arrival number and after
    /// this moment, ms.
    fn lately(
        &mut self,
        arrival: i64,
        since: i64,
    ) -> impl Future<Output = Result<BTreeSet<PlateTag>, Self::Error>> + Send;

    /// How far the rows are behind the events: those with a higher arrival number may be missing in them. None when none is.
    fn behind(&mut self) -> impl Future<Output = Result<Option<i64>, Self::Error>> + Send;

    /// The vehicles of the events with a higher arrival number than this one.
    fn tags_since(
        &mut self,
        arrival: i64,
    ) -> impl Future<Output = Result<BTreeSet<PlateTag>, Self::Error>> + Send;

    /// The next plate tags after this one, in their order, of events and of rows; empty at the end.
    fn tags_after(
        &mut self,
        after: Option<PlateTag>,
    ) -> impl Future<Output = Result<BTreeSet<PlateTag>, Self::Error>> + Send;

    /// What is held at these positions, every branch.
    fn held_at(
        &mut self,
        at: &[Position],
    ) -> impl Future<Output = Result<Vec<(Position, HeldEvent)>, Self::Error>> + Send;

    /// Openings that stored events name and that are not held.
    fn awaited(&mut self) -> impl Future<Output = Result<HashSet<Position>, Self::Error>> + Send;

    /// The answers kept for commands and not too old at `now`, ms; and the facts of commands, the lowest-ranked first. One read: every
    /// command asks for both.
    fn answered(
        &mut self,
        answers: &[CommandId],
        facts: &[CommandId],
        now: i64,
    ) -> impl Future<Output = Result<(Vec<Answer>, Vec<Fact>), Self::Error>> + Send;

    /// The vehicle of the newest open session with each of these cards.
    fn by_card(
        &mut self,
        cards: &[&Credential],
    ) -> impl Future<Output = Result<Vec<Option<PlateTag>>, Self::Error>> + Send;

    /// The vehicle of the row with each of these aliases.
    fn by_name(
        &mut self,
        names: &[&str],
    ) -> impl Future<Output = Result<Vec<Option<PlateTag>>, Self::Error>> + Send;

    /// The plate keys of all open sessions.
    fn open_plates(&mut self) -> impl Future<Output = Result<Vec<String>, Self::Error>> + Send;

    /// Vehicles with a passage whose time-out ends at or before `now`, ms; the earliest first, at most so many.
    fn due(
        &mut self,
        now: i64,
        limit: usize,
    ) -> impl Future<Output = Result<BTreeSet<PlateTag>, Self::Error>> + Send;
}
