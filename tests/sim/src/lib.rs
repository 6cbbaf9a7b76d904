//! The deterministic simulator: many centrals in virtual time, driven by one seed.
//!
//! The code that decides, projects, replicates and keeps links is production's ([`parking`], [`replication`], [`wire`]); what
//! stands here are the things around it that can fail: disks, processes, buses, links, clocks and people. One queue of
//! moments, no threads within a world, no wall clock, no order that depends on an address: the same seed is the same run.
//!
//! - [`plan`]: what a seed decides before its world begins; [`chance`]: where randomness comes from
//! - [`world`]: nodes, links, faults, healing, rest; [`traffic`]: lanes, cars and their journal
//! - [`store`]: a disk that loses exactly what Postgres could; [`ledger`]: the writer's rounds over it
//! - `exam`: questions with known answers, asked at rest
//! - [`check`]: invariants after every step and at rest; [`sometimes`]: proof that rare paths ran
//! - [`runner`], [`report`]: many seeds, one verdict; [`shapes`]: mesh, tree and ring compared

pub mod chance;
pub mod check;
pub mod cli;
pub mod exam;
pub mod ledger;
pub mod plan;
pub mod report;
pub mod runner;
pub mod shapes;
pub mod sometimes;
pub mod store;
pub mod trace;
pub mod traffic;
pub mod world;
