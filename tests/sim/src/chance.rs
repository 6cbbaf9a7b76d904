//! Chance: the only source of it in a world, a stream cipher keyed by the seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A seeded generator for one purpose: what the network draws does not shift what the lanes draw.
#[derive(Debug)]
pub struct Chance(StdRng);

impl Chance {
    /// The generator of a seed for a purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mix = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mix))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 128 random bits.
    pub fn wide(&mut self) -> u128 {
        (u128::from(self.bits()) << 64) | u128::from(self.bits())
    }

    /// Uniform in `0..n`; 0 for `n` = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in `0..n`, as an index.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Uniform in `from..=to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from).max(0) as u64 + 1) as i64
    }

    /// True in so many of a thousand cases.
    pub fn per_mille(&mut self, n: u64) -> bool {
        n > 0 && self.below(1000) < n
    }

    /// Uniform in 0..1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of these, by weight.
    pub fn weighted<T: Copy>(&mut self, of: &[(u64, T)]) -> Option<T> {
        let mut at = self.below(of.iter().map(|(w, _)| w).sum());
        for (w, t) in of {
            if at < *w {
                return Some(*t);
            }
            at -= w;
        }
        None
    }
}

impl ::writer::Random for Chance {
    fn bits(&mut self) -> u64 {
        Chance::bits(self)
    }

    fn wide(&mut self) -> u128 {
        Chance::wide(self)
    }
}
