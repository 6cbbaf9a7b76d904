//! `mesh`: the links of one central to its peers.

fn main() -> std::process::ExitCode {
    kit::service_checked(kit::Role::Mesh, mesh::check, mesh::run)
}
