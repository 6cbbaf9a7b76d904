//! Real centrals on one machine without containers: real Postgres and NATS, the four service binaries,
//! real links that can be cut.
//!
//! The program `lab` is for people; tests and benchmarks use [`Lab`] in-process. Both read and write the
//! same folder, so `lab status` also shows the lab of a running test.

mod absence;
pub mod api;
pub mod backfill;
mod backups;
pub mod bus;
pub mod chaos;
pub mod cli;
pub mod clock;
pub mod cluster;
mod containers;
mod control;
pub mod destroyed;
pub mod disk;
mod external;
mod faketime;
mod instance;
pub mod lab_file;
mod layout;
mod lifecycle;
mod links;
mod options;
mod output;
mod pki;
mod postgres;
mod prepare;
pub mod process;
mod ready;
mod running;
pub mod scenario;
mod settings;
mod site;
mod spawner;
mod status;
pub mod topology;
pub mod traffic;
mod up;

pub use backups::Exchange;
pub use external::Documents;
pub use layout::Layout;
pub use links::{Carried, Cut, CutMode};
pub use options::{DEFAULT_CENTRALS, LabOptions, PortChoice};
pub use ready::until;
pub use running::{AlreadyRunning, Lab};
