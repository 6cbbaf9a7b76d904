//! Three real sync services, each on a real bus, with stand-ins for ledger and mesh.

mod catching_up;
mod faults;
mod ledger;
mod nats;
mod net;
mod questions;
mod site;
