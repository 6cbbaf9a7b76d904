//! Centrals of mesh only: NATS, a stand-in ledger, and the service in this process.

mod central;
mod fake_peer;
mod nats;
mod pki;
mod wait;
mod wire_between;

pub(crate) use central::{Central, Plan, event};
pub(crate) use fake_peer::FakePeer;
pub(crate) use pki::{Authority, Issued};
pub(crate) use wait::{WITHIN, eventually};
pub(crate) use wire_between::Wire;
