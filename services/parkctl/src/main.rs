//! `parkctl`: the operator's command line.

mod acts;
mod ask;
mod bundle;
mod bus;
mod ca;
mod config;
mod doctor;
mod key;
mod lost_range;
mod output;
mod policy;
mod secret;
mod storage;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "parkctl", version, about = "Looks at and prepares a parkmesh central")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration file without starting anything
    Config {
        /// The file (`p2p_config.json`)
        file: PathBuf,
    },
    /// Check a site: clock, disk, certificates, configuration, ports, peers
    Doctor(doctor::Doctor),
    /// Keys of lanes: create, rotate, list, revoke at a running central. Alone: a key for the edge and its hash for the configuration
    Key {
        #[command(subcommand)]
        what: Option<key::Key>,
    },
    /// Tokens of people: bootstrap, create, list, revoke
    #[command(subcommand)]
    Token(token::Token),
    /// Users and passwords of a central's NATS server
    #[command(subcommand)]
    Bus(bus::Bus),
    /// The operator's certificate authority: init, request, approve, list, revoke, inspect
    #[command(subcommand)]
    Ca(ca::Ca),
    /// What people did at a central: who, when, from where, what came of it
    AuditLog(acts::AuditLog),
    /// What the disk holds, until when it lasts, and what peers still need
    Storage(ask::Central),
    /// Ranges of the log that nobody holds
    #[command(subcommand)]
    LostRange(lost_range::LostRange),
    /// Show peers, lag and digest of a central
    Status(ask::Central),
    /// Carry events between centrals by file (USB stick), for a site without any link
    Bundle {
        #[command(subcommand)]
        command: bundle::Command,
    },
    /// Show what the audit of a central counted, compared, found and repaired
    Audit(ask::Audit),
    /// Find a vehicle's sessions at a central
    History {
        /// Plate, in any writing
        plate: String,
        #[command(flatten)]
        central: ask::Central,
    },
    /// The rules of the history: list, set, replay
    #[command(subcommand)]
    Policy(policy::Policy),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Config { file } => config::check(&file),
        Command::Doctor(doctor) => doctor.run().await,
        Command::Key { what: None } => key::make(),
        Command::Key { what: Some(what) } => what.run().await,
        Command::Token(what) => what.run().await,
        Command::Ca(what) => what.run(),
        Command::Bus(what) => what.run(),
        Command::AuditLog(log) => log.run().await,
        Command::Storage(central) => storage::show(&central).await,
        Command::LostRange(what) => what.run().await,
        Command::Status(central) => ask::status(&central).await,
        Command::Bundle { command } => bundle::run(command).await,
        Command::Audit(audit) => ask::audit(&audit).await,
        Command::History { plate, central } => ask::history(&central, &plate).await,
        Command::Policy(policy) => policy.run().await,
    };
    match done {
        Ok(code) => code,
        Err(e) => {
            output::error(&format!("parkctl: {e:#}"));
            ExitCode::FAILURE
        }
    }
}
