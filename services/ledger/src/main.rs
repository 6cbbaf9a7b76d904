//! The ledger: owns Postgres, decides and records.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("verify") => ledger::verify::main(),
        _ => kit::service(kit::Role::Ledger, ledger::run),
    }
}
