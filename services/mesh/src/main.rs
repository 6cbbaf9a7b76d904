//! `mesh`: the links of one central to its peers.

fn main() -> std::process::ExitCode {
    kit::service(kit::Role::Mesh, mesh::run)
}
