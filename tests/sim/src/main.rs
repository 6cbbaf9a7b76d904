//! `sim`: runs seeds, or replays one.

use std::process::ExitCode;

fn main() -> ExitCode {
    sim::cli::main()
}
