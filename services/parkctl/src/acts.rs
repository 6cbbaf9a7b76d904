//! `parkctl audit-log`: what people did at a central.

use std::process::ExitCode;

use crate::ask::{self, Central, items, text};
use crate::output;

/// Which acts.
#[derive(clap::Args)]
pub(crate) struct AuditLog {
    /// Only of this kind, such as `token.create`
    #[arg(long)]
    action: Option<String>,
    /// Only of this principal, such as `token:0a1b2c3d4e`
    #[arg(long)]
    who: Option<String>,
    /// From then on, RFC 3339
    #[arg(long)]
    from: Option<String>,
    /// So many, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    #[command(flatten)]
    central: Central,
}

impl AuditLog {
    pub(crate) async fn run(&self) -> anyhow::Result<ExitCode> {
        let limit = self.limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(self.action.as_deref().map(|a| ("action", a)));
        query.extend(self.who.as_deref().map(|w| ("who", w)));
        query.extend(self.from.as_deref().map(|f| ("from", f)));
        let page = ask::get(&self.central, "/api/v1/admin/audit-log", &query).await?;
        self.central.show(&page, || {
            for a in items(&page, "items") {
                output::line(&format!(
                    "{}  {:<20} {:<18} {:<16} {} {} {} from {}  {}",
                    text(&a["at"]),
                    text(&a["action"]),
                    a["name"].as_str().unwrap_or(&text(&a["who"])),
                    text(&a["target"]),
                    text(&a["status"]),
                    text(&a["result"]),
                    text(&a["who"]),
                    text(&a["address"]),
                    a["detail"].as_str().unwrap_or_default()
                ));
            }
        });
        Ok(ExitCode::SUCCESS)
    }
}
