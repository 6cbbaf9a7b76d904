//! Cars and what is true of them.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A car of the generator, with what its driver knows.
#[derive(Debug, Clone)]
pub(crate) struct Car {
    /// As the camera reads it.
    pub(crate) plate: String,
    /// As history keys it.
    pub(crate) key: String,
    /// How it will behave.
    pub(crate) temper: Temper,
    pub(crate) whereabouts: Whereabouts,
    /// The opening, once answered.
    pub(crate) event_id: Option<String>,
    /// Sum of the fees it was told at the exit.
    pub(crate) fee: Option<i64>,
    /// An answer is outstanding: the request may or may not have counted.
    pub(crate) unsure: bool,
    /// Exits that ended with `ask_staff`.
    pub(crate) sent_back: u32,
}

/// Where a car is by its answered requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Before the barrier, or turned away.
    Outside,
    /// The entry barrier has opened for it.
    AtEntry,
    /// It has passed the loop.
    Inside,
    /// It has paid; the exit barrier has opened.
    AtExit,
    /// It has left.
    Left,
    /// It backed out of the entry.
    BackedOut,
}

/// The seeded part of a car's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Temper {
    /// The camera announces it first.
    pub(crate) detected_first: bool,
    /// The lane reports it so many seconds late; 0 is at once. Gives stays that cost money.
    pub(crate) late_s: i64,
    /// The lane repeats the same request though it was answered.
    pub(crate) repeated: bool,
    /// The camera reads it twice.
    pub(crate) read_twice: bool,
    /// It backs out of the entry.
    pub(crate) backs_out: bool,
    /// It leaves before the run is over.
    pub(crate) leaves: bool,
    /// Between opening and passing, ms.
    pub(crate) passing_ms: u64,
    /// Between entry and exit, ms.
    pub(crate) stay_ms: u64,
}

/// Makes cars; the same seed gives the same lives, but never plates that an earlier run left inside.
#[derive(Debug)]
pub(crate) struct CarMaker {
    random: StdRng,
    next_plate: u64,
}

/// Letters of car plates.
const LETTERS: &[u8] = b"ABCDEFGHKLMNPSTUVXYZ";
/// Provinces of car plates (some of them).
const PROVINCES: [u8; 12] = [14, 15, 29, 30, 36, 43, 51, 59, 60, 61, 72, 99];
const PLATES: u64 = 12 * 20 * 100_000;
/// Coprime to the number of plates: walking in these steps meets each of them once.
const STRIDE: u64 = 7_368_787;

impl CarMaker {
    /// `run` is anything that differs between runs, such as the time.
    pub(crate) fn new(seed: u64, run: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), next_plate: run % PLATES }
    }

    pub(crate) fn make(&mut self) -> Car {
        let (plate, key) = self.plate();
        let random = &mut self.random;
        let late_s = if random.random_bool(0.4) { random.random_range(11 * 60..5 * 3600) } else { 0 };
        let temper = Temper {
            detected_first: random.random_bool(0.1),
            late_s,
            repeated: random.random_bool(0.05),
            read_twice: random.random_bool(0.03),
            backs_out: random.random_bool(0.03),
            leaves: random.random_bool(0.85),
            passing_ms: random.random_range(300..1200),
            stay_ms: random.random_range(1500..6000),
        };
        Car {
            plate,
            key,
            temper,
            whereabouts: Whereabouts::Outside,
            event_id: None,
            fee: None,
            unsure: false,
            sent_back: 0,
        }
    }

    /// A random lane number below the bound.
    pub(crate) fn pick(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound.max(1))
    }

    fn plate(&mut self) -> (String, String) {
        self.next_plate += 1;
        let key = plate_key(self.next_plate);
        let (head, number) = key.split_at(key.len() - 5);
        // Cameras differ in what they read between the groups.
        let plate = if self.random.random_bool(0.7) {
            let (high, low) = number.split_at(3);
            format!("{head}-{high}.{low}")
        } else {
            key.to_lowercase()
        };
        (plate, key)
    }
}

/// The plate with this number; 24 million numbers in a row give as many plates.
pub(crate) fn plate_key(number: u64) -> String {
    let index = number % PLATES * STRIDE % PLATES;
    let place = usize::try_from(index / 100_000).unwrap_or_default();
    let letter = char::from(LETTERS.get(place % LETTERS.len()).copied().unwrap_or(b'A'));
    let province = PROVINCES.get(place / LETTERS.len()).copied().unwrap_or(51);
    format!("{province}{letter}{:05}", index % 100_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_lives_and_another_run_other_plates() {
        let lives = |seed, run| -> Vec<Temper> {
            let mut maker = CarMaker::new(seed, run);
            (0..50).map(|_| maker.make().temper).collect()
        };
        assert_eq!(lives(7, 1), lives(7, 2));
        assert_ne!(lives(7, 1), lives(8, 1));
        assert_ne!(CarMaker::new(7, 1).make().key, CarMaker::new(7, 2).make().key);
    }

    #[test]
    fn plates_do_not_repeat() {
        let mut maker = CarMaker::new(1, 99);
        let keys: BTreeSet<String> = (0..20_000).map(|_| maker.make().key).collect();
        assert_eq!(keys.len(), 20_000);
    }
}
