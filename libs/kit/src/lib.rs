//! What the four services share: settings, configuration file, lifecycle, bus, health, telemetry, trust. No parking, no replication.

mod boot;
pub mod bus;
pub mod clock;
mod config;
pub mod files;
mod health;
mod http_limits;
mod logs;
mod secret;
mod settings;
mod shutdown;
mod telemetry;
pub mod tls;
pub mod trace;

pub use boot::{Check, Service, service, service_checked};
pub use bus::{Bus, BusError, Incoming, Login, Password, Subscription};
pub use config::ConfigWatch;
pub use health::Health;
pub use http_limits::HttpLimits;
pub use secret::Secret;
pub use settings::{BadSetting, ExternalApi, GatewayTlsFiles, MeshTlsFiles, Role, Settings};
pub use shutdown::Shutdown;
pub use telemetry::meter;
