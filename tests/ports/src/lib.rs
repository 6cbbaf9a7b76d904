//! Ports for the servers that tests start as programs of their own.
//!
//! A port that the system gives (`bind` to port 0) is from the range it also takes for outgoing connections: between a test's finding it free and its
//! server's taking it, any other test's connection may have it, and the server never comes up. These are below that range, so only
//! who asks here takes them.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The first port, above those of a lab.
const FIRST: u32 = 20_000;
/// So many; Linux takes its own from 32 768 on.
const MANY: u32 = 12_000;

static ASKED: AtomicU32 = AtomicU32::new(0);

/// A port of the loopback on which nothing listens, another one each time.
///
/// # Errors
/// There is none.
pub fn free() -> io::Result<u16> {
    next(&ASKED)
}

fn next(asked: &AtomicU32) -> io::Result<u16> {
    // Programs that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(131);
    for _ in 0..MANY {
        let n = begin.wrapping_add(asked.fetch_add(1, Relaxed)) % MANY;
        let Ok(port) = u16::try_from(FIRST + n) else { break };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "every port for tests is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_one_below_those_of_outgoing_connections() -> io::Result<()> {
        let of_the_system = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
        let lowest: Option<u16> = of_the_system.split_whitespace().next().and_then(|n| n.parse().ok());
        let mut ports = (0..50).map(|_| free()).collect::<io::Result<Vec<u16>>>()?;
        assert!(ports.iter().all(|p| Some(*p) < lowest && *p >= 20_000), "{lowest:?}: {ports:?}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
        Ok(())
    }

    #[test]
    fn one_on_which_something_listens_is_left_out() -> io::Result<()> {
        // Far from where the other tests of this program ask.
        let begin = 6000;
        let taken = next(&AtomicU32::new(begin))?;
        let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, taken))?;
        assert_ne!(next(&AtomicU32::new(begin))?, taken);
        Ok(())
    }
}
