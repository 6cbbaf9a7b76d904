//! The connections there are. When there is no room for one more, one that has no request at work goes: strangers first, then whoever
//! has been quiet for longest. So nobody keeps others out by sitting there.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kit::HttpLimits;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Address, Seat};
use crate::metrics::Metrics;

/// Handles kept for everything else a gateway opens: the bus, files, probes.
const OTHER_FILES: usize = 64;
/// Between two looks for connections whose time is up.
const LOOK: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: HttpLimits,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    total: usize,
    /// By address, in the order they came.
    of: HashMap<Address, BTreeMap<u64, Arc<Seat>>>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    /// The connection.
    pub(crate) seat: Arc<Seat>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().remove(self.seat.address, self.number);
    }
}

impl All {
    fn remove(&mut self, address: Address, number: u64) {
        let Some(own) = self.of.get_mut(&address) else { return };
        self.total -= usize::from(own.remove(&number).is_some());
        if own.is_empty() {
            self.of.remove(&address);
        }
    }

    /// Ends the one of an address that is missed least. False when all are at work.
    fn make_room(&mut self, address: Address) -> bool {
        let Some(own) = self.of.get(&address) else { return false };
        let now = Instant::now();
        // Of those who never showed a key the first is found at once, however many there are.
        let stranger = own.iter().find(|(_, seat)| seat.is_idle_stranger());
        let least = stranger.or_else(|| {
            let idle = own.iter().filter_map(|(n, seat)| Some((seat.quiet_for(now)?, n, seat)));
            idle.max_by_key(|(quiet, _, _)| *quiet).map(|(_, n, seat)| (n, seat))
        });
        let Some((number, seat)) = least.map(|(n, seat)| (*n, seat.clone())) else { return false };
        seat.end.cancel();
        self.remove(address, number);
        true
    }

    /// The same of whoever has most, else of anybody.
    fn make_room_anywhere(&mut self) -> bool {
        let most = self.of.iter().max_by_key(|(_, own)| own.len()).map(|(address, _)| *address);
        if most.is_some_and(|address| self.make_room(address)) {
            return true;
        }
        let all: Vec<_> = self.of.keys().copied().collect();
        all.into_iter().any(|address| self.make_room(address))
    }
}

impl Connections {
    /// Room for as many as the limits say, and as the process has handles for.
    pub(crate) fn new(mut limits: HttpLimits) -> Arc<Self> {
        let files = usize::try_from(kit::files::limit()).unwrap_or(usize::MAX);
        let possible = files.saturating_sub(OTHER_FILES).max(files / 2).max(1);
        if possible < limits.connections {
            tracing::warn!(
                file_handles = files,
                connections = possible,
                "fewer connections than HTTP_CONNECTIONS says: the system gives no more file handles"
            );
        }
        limits.connections = limits.connections.min(possible);
        Arc::new(Self { limits, all: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more. None: everybody of this address, or everybody, is at work.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr, metrics: &Metrics) -> Option<Place> {
        let address = Address::of(from);
        let mut all = self.lock();
        let own = all.of.get(&address).map_or(0, BTreeMap::len);
        let room = if own >= self.limits.connections_per_address {
            Some(all.make_room(address))
        } else if all.total >= self.limits.connections {
            Some(all.make_room_anywhere())
        } else {
            None
        };
        match room {
            Some(false) => {
                metrics.refused("connections");
                return None;
            }
            Some(true) => metrics.refused("made_room"),
            None => {}
        }
        let number = all.next;
        all.next += 1;
        all.total += 1;
        let seat = Arc::new(Seat::new(address));
        all.of.entry(address).or_default().insert(number, seat.clone());
        Some(Place { connections: self.clone(), number, seat })
    }

    /// The process is out of handles: one that is at no work gives its own back.
    pub(crate) fn give_way(&self, metrics: &Metrics) {
        if self.lock().make_room_anywhere() {
            metrics.refused("made_room");
        }
    }

    /// Ends connections whose time is up, until the stop.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken, metrics: impl Fn(&'static str)) {
        let mut due = interval(LOOK);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(due.tick()).await.is_some() {
            let late: Vec<_> = {
                let (all, now) = (self.lock(), Instant::now());
                let seats = all.of.values().flat_map(BTreeMap::values);
                seats.filter_map(|s| Some((s.overdue(&self.limits, now)?, s.clone()))).collect()
            };
            for (why, seat) in late {
                if !seat.end.is_cancelled() {
                    metrics(why);
                    seat.end.cancel();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(all: usize, per_address: usize) -> Arc<Connections> {
        let settings = kit::Settings::read(kit::Role::EdgeGateway, &|_| None).unwrap();
        Connections::new(HttpLimits {
            connections: all,
            connections_per_address: per_address,
            ..settings.http
        })
    }

    fn ip(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    #[test]
    fn an_address_with_too_many_loses_its_own_quietest_stranger() {
        let (c, m) = (connections(100, 2), Metrics::new());
        let other = c.take(ip(2), &m).unwrap();
        let known = c.take(ip(1), &m).unwrap();
        known.seat.is_known();
        let stranger = c.take(ip(1), &m).unwrap();
        let third = c.take(ip(1), &m).unwrap();
        assert!(stranger.seat.end.is_cancelled() && !known.seat.end.is_cancelled());
        let (_one, _two) = (known.seat.begin(), third.seat.begin());
        assert!(c.take(ip(1), &m).is_none(), "both at work");
        assert!(!other.seat.end.is_cancelled() && c.take(ip(2), &m).is_some());
    }

    #[test]
    fn in_a_full_house_whoever_has_most_gives_way() {
        let (c, m) = (connections(4, 4), Metrics::new());
        let lane = c.take(ip(1), &m).unwrap();
        let flood: Vec<_> = (0..3).map(|_| c.take(ip(9), &m).unwrap()).collect();
        let newcomer = c.take(ip(2), &m).unwrap();
        assert!(flood[0].seat.end.is_cancelled() && !lane.seat.end.is_cancelled());
        let _work: Vec<_> = flood.iter().map(|p| p.seat.begin()).collect();
        let another = c.take(ip(3), &m).unwrap();
        let gone = [&lane, &newcomer].map(|p| p.seat.end.is_cancelled());
        assert!(gone[0] != gone[1], "one of the others, where the many are at work: {gone:?}");
        drop((newcomer, another, lane, flood));
        assert!(c.lock().total == 0 && c.lock().of.is_empty());
    }
}
