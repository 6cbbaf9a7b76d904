//! The HTTP door of a central: lanes, people and integrators come in here.

fn main() -> std::process::ExitCode {
    kit::service_checked(kit::Role::EdgeGateway, edge_gateway::check, edge_gateway::run)
}
