//! Three real sync services, each on a real bus, with stand-ins for ledger and mesh.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a broken stand-in is a broken test")]

mod bundles;
mod catching_up;
mod documents;
mod external;
mod faults;
mod keeping;
mod ledger;
mod nats;
mod net;
mod questions;
mod site;
