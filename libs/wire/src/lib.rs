//! Everything of parkmesh that crosses a process boundary: event frames, bus messages, mesh frames, HTTP bodies and
//! the configuration file. Each form carries a version; golden files in `tests/golden` hold every released form.
//!
//! This library has no clock, no randomness and no I/O: it turns bytes into checked types and back.
//!
//! Follow an event: [`event`] (the bytes its origin writes once) → [`bus`] (inside one central) → [`mesh`] (between
//! centrals) → [`http`] (what a person or a lane sees).

pub mod access;
pub mod alarm;
pub mod audit;
pub mod bundle;
pub mod bus;
pub mod config;
pub mod cursor;
pub mod event;
pub mod hash;
pub mod http;
pub mod id;
pub mod mesh;
pub mod page;
pub mod position;
pub mod reference;
pub mod time;
