//! The service `sync`: what is missing here and at the peers, and getting it.

fn main() -> std::process::ExitCode {
    kit::service(kit::Role::Sync, sync::run)
}
