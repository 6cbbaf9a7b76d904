//! The HTTP door of a central: lanes, people and integrators come in here.

fn main() -> std::process::ExitCode {
    kit::service(kit::Role::EdgeGateway, edge_gateway::run)
}
