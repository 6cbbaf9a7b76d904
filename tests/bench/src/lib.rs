//! Measures the system beside its competitors on this machine: [`cli`] says what can be run, one module of [`mod@run`] each; `native` are the
//! competitors; `report` keeps what came of it (JSON, a table, a picture).

pub mod cli;
mod native;
mod output;
mod proc;
mod report;
mod run;
mod stats;
