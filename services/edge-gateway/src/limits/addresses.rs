//! What one address may do before anybody knows who it is. The address is the socket's other end, never a header the caller writes.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use kit::HttpLimits;
use tokio::sync::Semaphore;

/// Addresses remembered at most; with more, those at rest are forgotten at once.
const MOST: usize = 65_536;
/// Refusals held back at once. Beyond, they go out at once and the connection is closed.
const HELD_BACK: usize = 512;

/// One caller's end as limits count it: an IPv4 address, or an IPv6 network of 64 bits, which is what one site is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address(u64);

impl Address {
    /// Of a socket's other end.
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            // No network of the real world begins with 32 zero bits.
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Addresses {
    requests: DefaultKeyedRateLimiter<Address>,
    failures: DefaultKeyedRateLimiter<Address>,
    clock: DefaultClock,
    held_back: Semaphore,
}

fn limiter(per_second: u32, bursts: u32) -> DefaultKeyedRateLimiter<Address> {
    let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    let burst = NonZeroU32::new(bursts).map_or(rate, |n| rate.saturating_mul(n));
    RateLimiter::dashmap(Quota::per_second(rate).allow_burst(burst))
}

impl Addresses {
    /// All at rest.
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        Self {
            requests: limiter(limits.rate_per_address, 2),
            failures: limiter(limits.failed_keys_per_address, 10),
            clock: DefaultClock::default(),
            held_back: Semaphore::new(HELD_BACK),
        }
    }

    fn check(&self, limiter: &DefaultKeyedRateLimiter<Address>, address: Address) -> Result<(), u32> {
        if limiter.len() > MOST {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter.check_key(&address).map_err(|not_until| {
            (not_until.wait_time_from(self.clock.now()).as_secs_f64().ceil() as u32).max(1)
        })
    }

    /// One more request. Errors: seconds to wait.
    pub(crate) fn request(&self, address: Address) -> Result<(), u32> {
        self.check(&self.requests, address)
    }

    /// One more key that nobody knows. Errors: seconds to wait.
    pub(crate) fn failed(&self, address: Address) -> Result<(), u32> {
        self.check(&self.failures, address)
    }

    /// Room to hold a refusal back for a moment.
    pub(super) fn held_back(&self) -> &Semaphore {
        &self.held_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_one_is_its_ipv4() {
        let of = |s: &str| Address::of(s.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
    }

    #[test]
    fn each_address_has_its_own_rate() {
        let settings = kit::Settings::read(kit::Role::EdgeGateway, &|_| None).unwrap();
        let limits = HttpLimits { rate_per_address: 2, failed_keys_per_address: 1, ..settings.http };
        let (a, one, two) = (Addresses::new(&limits), Address(1), Address(2));
        assert_eq!((0..10).filter(|_| a.request(one).is_ok()).count(), 4);
        assert_eq!((0..20).filter(|_| a.failed(one).is_ok()).count(), 10);
        assert_eq!(a.failed(one), Err(1));
        assert!(a.request(two).is_ok() && a.failed(two).is_ok());
    }
}
