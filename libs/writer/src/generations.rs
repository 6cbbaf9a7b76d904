//! What was used last of vehicles, in two generations: what is asked for moves to the young one; when that has become too heavy, or old, it
//! takes the place of the other, which is forgotten. A quiet central so keeps little, a busy one what its cars need between two lanes.

use foldhash::{HashMap, HashMapExt as _};
use wire::hash::PlateTag;

/// What something kept counts for.
pub trait Weight {
    /// In whatever the bound counts.
    fn weight(&self) -> usize;
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Generations<V> {
    most: usize,
    age_ms: i64,
    young: HashMap<PlateTag, V>,
    old: HashMap<PlateTag, V>,
    /// Of `young`.
    weight: usize,
    /// When `young` began, ms since the epoch.
    since: i64,
}

impl<V: Weight> Generations<V> {
    /// Nothing is kept yet. `most`: weight of a generation; `age_ms`: how long it is the young one, at most.
    pub fn new(most: usize, age_ms: i64) -> Self {
        Self { most, age_ms, young: HashMap::new(), old: HashMap::new(), weight: 0, since: 0 }
    }

    /// To be called once a round, at `now`. `gone`: is told what is forgotten.
    pub fn turn(&mut self, now: i64, gone: impl FnMut(V)) {
        let fresh = (0..self.age_ms).contains(&now.saturating_sub(self.since));
        if self.weight <= self.most && fresh {
            return;
        }
        let last = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        self.weight = 0;
        self.since = now;
        last.into_values().for_each(gone);
    }

    /// What is kept of a vehicle; it is kept longer for having been asked for.
    pub fn get(&mut self, tag: &PlateTag) -> Option<&V> {
        if let Some(v) = self.old.remove(tag) {
            self.put(*tag, v);
        }
        self.young.get(tag)
    }

    /// Keeps this of a vehicle, in the place of what was.
    pub fn put(&mut self, tag: PlateTag, value: V) {
        self.remove(&tag);
        self.weight += value.weight();
        self.young.insert(tag, value);
    }

    /// Changes what is kept of a vehicle; false when nothing is.
    pub fn change(&mut self, tag: &PlateTag, change: impl FnOnce(&mut V)) -> bool {
        if let Some(v) = self.young.get_mut(tag) {
            let before = v.weight();
            change(v);
            self.weight = (self.weight + v.weight()).saturating_sub(before);
            return true;
        }
        self.old.get_mut(tag).map(change).is_some()
    }

    /// Forgets a vehicle.
    pub fn remove(&mut self, tag: &PlateTag) -> Option<V> {
        let young = self.young.remove(tag);
        self.weight = self.weight.saturating_sub(young.as_ref().map_or(0, V::weight));
        young.or_else(|| self.old.remove(tag))
    }

    /// All that is kept, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&PlateTag, &V)> {
        self.young.iter().chain(&self.old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept(usize);

    impl Weight for Kept {
        fn weight(&self) -> usize {
            self.0
        }
    }

    fn car(n: usize) -> PlateTag {
        PlateTag((n as u128).to_be_bytes())
    }

    fn count(all: &Generations<Kept>) -> usize {
        all.iter().count()
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes_by_weight() {
        let mut all = Generations::new(10, 1_000_000);
        let mut gone = 0;
        for n in 1..=100 {
            all.turn(1, |_| gone += 1);
            all.put(car(n), Kept(2));
            assert!(all.get(&car(1)).is_some(), "{n}");
            assert!(count(&all) <= 12, "{n}: {}", count(&all));
        }
        assert!(all.get(&car(2)).is_none());
        assert_eq!(gone + count(&all), 100, "each is kept or was told of, once");
    }

    #[test]
    fn a_quiet_central_forgets_by_time() {
        let mut all = Generations::new(10, 1000);
        let mut gone = 0;
        all.turn(50_000, |_| gone += 1);
        all.put(car(1), Kept(1));
        all.turn(50_999, |_| gone += 1);
        all.turn(51_000, |_| gone += 1);
        assert!(all.iter().any(|(tag, _)| *tag == car(1)));
        all.turn(52_000, |_| gone += 1);
        assert_eq!((count(&all), gone), (0, 1));
        // A clock set back is no reason to keep anything for ever.
        all.put(car(2), Kept(1));
        all.turn(10_000, |_| gone += 1);
        all.turn(11_000, |_| gone += 1);
        assert_eq!((count(&all), gone), (0, 2));
    }

    #[test]
    fn weight_follows_what_is_changed_and_taken_out() {
        let mut all = Generations::new(10, 1_000_000);
        all.turn(1, |_| ());
        all.put(car(1), Kept(4));
        assert!(all.change(&car(1), |v| v.0 = 9));
        all.put(car(1), Kept(3));
        all.put(car(2), Kept(7));
        assert!(all.remove(&car(2)).is_some() && all.remove(&car(2)).is_none());
        assert!(!all.change(&car(2), |_| ()));
        all.put(car(3), Kept(7));
        all.turn(2, |_| ());
        assert_eq!(all.young.len(), 2, "ten are not too many");
        all.put(car(4), Kept(1));
        all.turn(3, |_| ());
        assert_eq!((all.young.len(), all.weight), (0, 0));
        assert!(all.change(&car(1), |v| v.0 = 1));
        assert_eq!(all.get(&car(1)).map(|v| v.0), Some(1));
        assert_eq!(all.weight, 1);
    }
}
