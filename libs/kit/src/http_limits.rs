//! What one central's HTTP door bears.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::settings::BadSetting;

/// Requests per second of one address, unless said: so many times what one principal may. Several lanes may share an address.
const LANES_BEHIND_AN_ADDRESS: u32 = 20;
/// And never less.
const ADDRESS_FLOOR: u32 = 1000;

/// Limits of the gateway's listener and of what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// `HTTP_CONNECTIONS`: at once, default 4096.
    pub connections: usize,
    /// `HTTP_CONNECTIONS_PER_ADDRESS`: at once, default 2048.
    pub connections_per_address: usize,
    /// `HTTP_HEAD_TIMEOUT`: a request's head must be there so long after its first byte, a connection's first head so long after the
    /// connection; default 10 s.
    pub head: Duration,
    /// `HTTP_IDLE_TIMEOUT`: a connection without a request is kept so long, default 60 s.
    pub idle: Duration,
    /// `HTTP_SEND_TIMEOUT`: a caller that reads nothing of its answer is given up after, default 30 s.
    pub send: Duration,
    /// `RATE_LIMIT_PER_ADDRESS`: requests per second of one address, known or not; default 20 times `RATE_LIMIT_PER_SECOND`, at
    /// least 1000. Bursts of twice as many.
    pub rate_per_address: u32,
    /// `FAILED_KEYS_PER_ADDRESS`: unknown keys per second of one address, default 20, bursts of ten times as many.
    pub failed_keys_per_address: u32,
    /// `HTTP_REQUESTS`: at work and waiting, default 2048.
    pub requests: usize,
    /// `HTTP_REQUESTS_PER_PRINCIPAL`: at work for one key or person, default 128; three times as many may wait for a moment.
    pub requests_per_principal: usize,
}

/// Reads a number: key, range, default.
pub(crate) type Number<'a> = &'a dyn Fn(&str, RangeInclusive<u32>, u32) -> Result<u32, BadSetting>;

impl HttpLimits {
    /// Reads them. `per_principal`: `RATE_LIMIT_PER_SECOND`. Errors: the first [`BadSetting`].
    pub(crate) fn read(number: Number<'_>, per_principal: u32) -> Result<Self, BadSetting> {
        let seconds = |key: &str, range, default| -> Result<Duration, BadSetting> {
            Ok(Duration::from_secs(number(key, range, default)?.into()))
        };
        let count = |key: &str, range, default| -> Result<usize, BadSetting> {
            Ok(number(key, range, default)? as usize)
        };
        let rate = per_principal.saturating_mul(LANES_BEHIND_AN_ADDRESS).clamp(ADDRESS_FLOOR, 10_000_000);
        Ok(Self {
            connections: count("HTTP_CONNECTIONS", 16..=1_000_000, 4096)?,
            connections_per_address: count("HTTP_CONNECTIONS_PER_ADDRESS", 1..=1_000_000, 2048)?,
            head: seconds("HTTP_HEAD_TIMEOUT", 1..=300, 10)?,
            idle: seconds("HTTP_IDLE_TIMEOUT", 1..=3600, 60)?,
            send: seconds("HTTP_SEND_TIMEOUT", 1..=3600, 30)?,
            rate_per_address: number("RATE_LIMIT_PER_ADDRESS", 1..=10_000_000, rate)?,
            failed_keys_per_address: number("FAILED_KEYS_PER_ADDRESS", 1..=10_000_000, 20)?,
            requests: count("HTTP_REQUESTS", 1..=1_000_000, 2048)?,
            requests_per_principal: count("HTTP_REQUESTS_PER_PRINCIPAL", 1..=1_000_000, 128)?,
        })
    }
}
