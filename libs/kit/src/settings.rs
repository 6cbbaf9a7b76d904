//! Settings from the environment, checked once at start. Environment beats file.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

use crate::bus::{Login, Password};
use crate::http_limits::HttpLimits;
use crate::secret::Secret;

/// Which of the four services this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// HTTP for lanes and people.
    EdgeGateway,
    /// Owns Postgres.
    Ledger,
    /// Links to peers.
    Mesh,
    /// Completeness.
    Sync,
}

impl Role {
    /// The service's name: binary, `service.name`, folder.
    pub fn name(self) -> &'static str {
        match self {
            Role::EdgeGateway => "edge-gateway",
            Role::Ledger => "ledger",
            Role::Mesh => "mesh",
            Role::Sync => "sync",
        }
    }

    fn default_health_port(self) -> u16 {
        match self {
            Role::EdgeGateway => 8081,
            Role::Ledger => 8082,
            Role::Mesh => 8083,
            Role::Sync => 8084,
        }
    }
}

/// A setting that cannot be used: one line naming key, value and reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={value}: {reason}")]
pub struct BadSetting {
    /// The variable.
    pub key: String,
    /// Its value; `***` for secrets.
    pub value: String,
    /// What is wrong.
    pub reason: String,
}

/// The mesh's own certificate and the operator's CA, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshTlsFiles {
    /// `MESH_TLS_CA_FILE`
    pub ca: PathBuf,
    /// `MESH_TLS_CERT_FILE`
    pub cert: PathBuf,
    /// `MESH_TLS_KEY_FILE`
    pub key: PathBuf,
    /// `MESH_TLS_DENY_FILE`: certificates that count no more.
    pub deny: Option<PathBuf>,
}

/// The gateway's own certificate, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTlsFiles {
    /// `GATEWAY_TLS_CERT_FILE`: the certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// `GATEWAY_TLS_KEY_FILE`
    pub key: PathBuf,
}

/// The optional external API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalApi {
    /// `EXTERNAL_API_URL`, without a trailing slash.
    pub url: String,
    /// `EXTERNAL_API_TOKEN_FILE`
    pub token_file: Option<PathBuf>,
    /// `EXTERNAL_API_INTERVAL`, default 60 s.
    pub interval: Duration,
    /// `EXTERNAL_API_CA_FILE`: the operator's own certificate authority, trusted beside those of the machine, PEM.
    pub ca_file: Option<PathBuf>,
    /// `EXTERNAL_API_TIMEOUT`: how long one answer may take, default 20 s.
    pub timeout: Duration,
    /// `EXTERNAL_API_ALARM_AFTER`: so long without a good answer is an alarm, default 1 h.
    pub alarm_after: Duration,
}

/// Everything the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `LISTEN_HOST`, default 0.0.0.0.
    pub listen_host: IpAddr,
    /// `P2P_PORT`, beats the file.
    pub p2p_port: Option<u16>,
    /// `API_PORT`, beats the file.
    pub api_port: Option<u16>,
    /// `HEALTH_PORT`, default by role (8081 to 8084).
    pub health_port: u16,
    /// `P2P_CONFIG_FILE`, default `config/p2p_config.json`.
    pub config_file: PathBuf,
    /// `DATABASE_URL` or the content of `DATABASE_URL_FILE` (ledger only).
    pub database_url: Option<Secret>,
    /// `NATS_URL`, default `nats://127.0.0.1:4222`.
    pub nats_url: Secret,
    /// Who this service is on the bus: `NATS_USER` with `NATS_PASSWORD` or `NATS_PASSWORD_FILE`; none = whoever `NATS_URL` names.
    pub nats_login: Option<Login>,
    /// `SYNC_WINDOW_DAYS`, default 7.
    pub sync_window_days: u32,
    /// `SYNC_LIMIT`, events per request, default 5000.
    pub sync_limit: u32,
    /// `HEARTBEAT_INTERVAL` in seconds, default 30.
    pub heartbeat_interval: Duration,
    /// `ADMIN_TOKEN_FILE`
    pub admin_token_file: Option<PathBuf>,
    /// `ACCESS_CACHE_FILE`: where the gateway keeps the hashes of tokens and keys over a restart without ledger; none = nowhere.
    pub access_cache_file: Option<PathBuf>,
    /// `PLATE_KEY_FILE`: the operator's key for plate tags.
    pub plate_key_file: Option<PathBuf>,
    /// The three `MESH_TLS_*_FILE`, all or none.
    pub mesh_tls: Option<MeshTlsFiles>,
    /// `GATEWAY_TLS_CERT_FILE` and `GATEWAY_TLS_KEY_FILE`, both or none: HTTPS instead of HTTP.
    pub gateway_tls: Option<GatewayTlsFiles>,
    /// `MESH_INSECURE=1`: plain-text links, for the loopback lab only.
    pub mesh_insecure: bool,
    /// `RATE_LIMIT_PER_SECOND` of one principal, default 50.
    pub rate_limit_per_second: u32,
    /// What the gateway's door bears.
    pub http: HttpLimits,
    /// `IMAGE_DIR`: where the gateway keeps pictures of webhooks; none = only their reference is kept.
    pub image_dir: Option<PathBuf>,
    /// `BUNDLE_DIR`: where the gateway keeps an uploaded bundle while it is checked, default the system's folder for temporary files.
    pub bundle_dir: PathBuf,
    /// `BUNDLE_LIMIT_MIB`: bytes of an uploaded bundle at most, default 4096 MiB.
    pub bundle_limit: u64,
    /// `KEEP_DAYS`: how long events are kept, default 400.
    pub keep_days: u32,
    /// `DISK_BUDGET_BYTES`: what the database may take; none = unknown.
    pub disk_budget_bytes: Option<u64>,
    /// External API, if configured.
    pub external_api: Option<ExternalApi>,
    /// Random name of this process.
    pub instance_id: Uuid,
}

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<String> {
        (self.get)(key).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn parse<T: FromStr>(&self, key: &str, what: &str) -> Result<Option<T>, BadSetting> {
        self.text(key)
            .map(|v| {
                v.parse().map_err(|_| BadSetting {
                    key: key.into(),
                    value: v.clone(),
                    reason: format!("must be {what}"),
                })
            })
            .transpose()
    }

    fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, BadSetting> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        match self.parse::<u32>(key, &what)? {
            Some(n) if !range.contains(&n) => {
                Err(BadSetting { key: key.into(), value: n.to_string(), reason: format!("must be {what}") })
            }
            n => Ok(n.unwrap_or(default)),
        }
    }

    /// A number of bytes, at least a megabyte: `50000000000`, `50GB`, `500MB`, `2TB` (powers of 1000).
    fn bytes(&self, key: &str) -> Result<Option<u64>, BadSetting> {
        let Some(value) = self.text(key) else { return Ok(None) };
        let units = [("TB", 1_000_000_000_000u64), ("GB", 1_000_000_000), ("MB", 1_000_000), ("", 1)];
        let read = units.iter().find_map(|(unit, factor)| {
            value.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*factor)
        });
        match read {
            Some(n) if (1_000_000..=i64::MAX.unsigned_abs()).contains(&n) => Ok(Some(n)),
            _ => {
                let reason = "must be a number of bytes, at least 1MB, such as 50GB".into();
                Err(BadSetting { key: key.into(), value, reason })
            }
        }
    }

    fn port(&self, key: &str) -> Result<Option<u16>, BadSetting> {
        let what = "a port from 1 to 65535";
        match self.parse::<u16>(key, what)? {
            Some(0) => {
                Err(BadSetting { key: key.into(), value: "0".into(), reason: format!("must be {what}") })
            }
            p => Ok(p),
        }
    }

    fn flag(&self, key: &str) -> Result<bool, BadSetting> {
        match self.text(key).as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(v) => Err(BadSetting {
                key: key.into(),
                value: v.into(),
                reason: "must be 1, true, 0 or false".into(),
            }),
        }
    }

    /// A file with a secret: named means it must be there, and not empty.
    fn secret_file(&self, key: &str, needed: bool) -> Result<Option<PathBuf>, BadSetting> {
        let Some(path) = self.path(key) else { return Ok(None) };
        let bad = |reason| BadSetting { key: key.into(), value: path.display().to_string(), reason };
        if needed {
            let text = std::fs::read_to_string(&path).map_err(|e| bad(format!("cannot be read: {e}")))?;
            if text.trim().is_empty() {
                return Err(bad("is empty".into()));
            }
        }
        Ok(Some(path))
    }

    fn gateway_tls(&self) -> Result<Option<GatewayTlsFiles>, BadSetting> {
        let (cert_key, key_key) = ("GATEWAY_TLS_CERT_FILE", "GATEWAY_TLS_KEY_FILE");
        match (self.path(cert_key), self.path(key_key)) {
            (Some(cert), Some(key)) => Ok(Some(GatewayTlsFiles { cert, key })),
            (None, None) => Ok(None),
            (cert, _) => {
                let key = if cert.is_none() { cert_key } else { key_key };
                let reason = "is missing: the two GATEWAY_TLS_*_FILE go together".into();
                Err(BadSetting { key: key.into(), value: String::new(), reason })
            }
        }
    }

    /// The user of the bus, where a password is given. The service's own name unless said.
    fn nats_login(&self, role: Role) -> Result<Option<Login>, BadSetting> {
        let user = self.text("NATS_USER");
        let password = match (self.text("NATS_PASSWORD"), self.secret_file("NATS_PASSWORD_FILE", true)?) {
            (Some(text), _) => Password::Text(Secret::new(text)),
            (None, Some(file)) => Password::File(file),
            (None, None) => {
                return user.map_or(Ok(None), |_| {
                    let reason = "is missing: NATS_USER needs a password".to_owned();
                    Err(BadSetting { key: "NATS_PASSWORD_FILE".into(), value: String::new(), reason })
                });
            }
        };
        Ok(Some(Login { user: user.unwrap_or_else(|| role.name().to_owned()), password }))
    }

    /// The value itself, or the content of the file `KEY_FILE` names.
    fn secret(&self, key: &str) -> Result<Option<Secret>, BadSetting> {
        if let Some(v) = self.text(key) {
            return Ok(Some(Secret::new(v)));
        }
        let file_key = format!("{key}_FILE");
        let Some(path) = self.text(&file_key) else { return Ok(None) };
        let text = std::fs::read_to_string(&path).map_err(|e| BadSetting {
            key: file_key,
            value: path,
            reason: format!("cannot be read: {e}"),
        })?;
        Ok(Some(Secret::new(text.trim())))
    }
}

impl Settings {
    /// Reads the process environment. Errors: the first [`BadSetting`].
    pub fn from_env(role: Role) -> Result<Self, BadSetting> {
        Self::read(role, &|k| std::env::var(k).ok())
    }

    /// Reads settings through `get`.
    pub fn read(role: Role, get: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let r = Reader { get };
        let mesh_tls =
            match (r.path("MESH_TLS_CA_FILE"), r.path("MESH_TLS_CERT_FILE"), r.path("MESH_TLS_KEY_FILE")) {
                (Some(ca), Some(cert), Some(key)) => {
                    Some(MeshTlsFiles { ca, cert, key, deny: r.path("MESH_TLS_DENY_FILE") })
                }
                (None, None, None) => None,
                (ca, cert, _) => {
                    let key = if ca.is_none() {
                        "MESH_TLS_CA_FILE"
                    } else if cert.is_none() {
                        "MESH_TLS_CERT_FILE"
                    } else {
                        "MESH_TLS_KEY_FILE"
                    };
                    let reason = "is missing: the three MESH_TLS_*_FILE go together".into();
                    return Err(BadSetting { key: key.into(), value: String::new(), reason });
                }
            };
        let external_api = match r.text("EXTERNAL_API_URL") {
            None => None,
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => Some(ExternalApi {
                url: url.trim_end_matches('/').to_owned(),
                token_file: r.path("EXTERNAL_API_TOKEN_FILE"),
                interval: Duration::from_secs(r.number("EXTERNAL_API_INTERVAL", 1..=86_400, 60)?.into()),
                ca_file: r.secret_file("EXTERNAL_API_CA_FILE", role == Role::Sync)?,
                timeout: Duration::from_secs(r.number("EXTERNAL_API_TIMEOUT", 1..=300, 20)?.into()),
                alarm_after: Duration::from_secs(
                    r.number("EXTERNAL_API_ALARM_AFTER", 1..=2_592_000, 3600)?.into(),
                ),
            }),
            Some(value) => {
                let reason = "must start with http:// or https://".into();
                return Err(BadSetting { key: "EXTERNAL_API_URL".into(), value, reason });
            }
        };
        let database_url = r.secret("DATABASE_URL")?;
        if role == Role::Ledger && database_url.is_none() {
            let reason = "is missing: the ledger needs its Postgres".into();
            return Err(BadSetting { key: "DATABASE_URL".into(), value: String::new(), reason });
        }
        if let Some(u) = &database_url
            && !(u.expose().starts_with("postgres://") || u.expose().starts_with("postgresql://"))
        {
            let reason = "must start with postgres://".into();
            return Err(BadSetting { key: "DATABASE_URL".into(), value: "***".into(), reason });
        }
        let rate_limit_per_second = r.number("RATE_LIMIT_PER_SECOND", 1..=10_000_000, 50)?;
        let number = |key: &str, range, default| r.number(key, range, default);
        let http = HttpLimits::read(&number, rate_limit_per_second)?;
        Ok(Self {
            listen_host: r
                .parse("LISTEN_HOST", "an IP address")?
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            p2p_port: r.port("P2P_PORT")?,
            api_port: r.port("API_PORT")?,
            health_port: r.port("HEALTH_PORT")?.unwrap_or(role.default_health_port()),
            config_file: r.path("P2P_CONFIG_FILE").unwrap_or_else(|| PathBuf::from("config/p2p_config.json")),
            database_url,
            nats_url: r.secret("NATS_URL")?.unwrap_or_else(|| Secret::new("nats://127.0.0.1:4222")),
            nats_login: r.nats_login(role)?,
            sync_window_days: r.number("SYNC_WINDOW_DAYS", 1..=3650, 7)?,
            sync_limit: r.number("SYNC_LIMIT", 1..=100_000, 5000)?,
            heartbeat_interval: Duration::from_secs(r.number("HEARTBEAT_INTERVAL", 1..=3600, 30)?.into()),
            admin_token_file: r.secret_file("ADMIN_TOKEN_FILE", role == Role::EdgeGateway)?,
            access_cache_file: r.path("ACCESS_CACHE_FILE"),
            plate_key_file: r.secret_file("PLATE_KEY_FILE", role == Role::Ledger)?,
            mesh_tls,
            gateway_tls: r.gateway_tls()?,
            mesh_insecure: r.flag("MESH_INSECURE")?,
            rate_limit_per_second,
            http,
            image_dir: r.path("IMAGE_DIR"),
            bundle_dir: r.path("BUNDLE_DIR").unwrap_or_else(std::env::temp_dir),
            bundle_limit: u64::from(r.number("BUNDLE_LIMIT_MIB", 1..=1_000_000, 4096)?) * 1024 * 1024,
            keep_days: r.number("KEEP_DAYS", 90..=36_500, 400)?,
            disk_budget_bytes: r.bytes("DISK_BUDGET_BYTES")?,
            external_api,
            instance_id: Uuid::new_v4(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        let vars: Vec<(String, String)> = vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Settings::read(Role::Sync, &move |k| vars.iter().find(|(n, _)| n == k).map(|(_, v)| v.clone()))
    }

    #[test]
    fn defaults_are_the_contracts() {
        let s = read(&[]).unwrap();
        assert_eq!((s.sync_window_days, s.sync_limit, s.heartbeat_interval.as_secs()), (7, 5000, 30));
        assert_eq!((s.keep_days, s.disk_budget_bytes), (400, None));
        for (text, bytes) in [("50GB", 50_000_000_000), ("2 TB", 2_000_000_000_000), ("1000000", 1_000_000)] {
            assert_eq!(read(&[("DISK_BUDGET_BYTES", text)]).unwrap().disk_budget_bytes, Some(bytes));
        }
    }

    #[test]
    fn a_bad_value_names_key_and_value() {
        for (k, v) in [
            ("P2P_PORT", "0"),
            ("HEALTH_PORT", "70000"),
            ("SYNC_LIMIT", "-1"),
            ("HEARTBEAT_INTERVAL", "soon"),
            ("MESH_INSECURE", "maybe"),
            ("LISTEN_HOST", "localhost:1"),
            ("EXTERNAL_API_URL", "ftp://x"),
            ("KEEP_DAYS", "30"),
            ("DISK_BUDGET_BYTES", "lots"),
            ("DISK_BUDGET_BYTES", "999"),
            ("DISK_BUDGET_BYTES", "99999999999TB"),
        ] {
            let e = read(&[(k, v)]).unwrap_err();
            assert_eq!((e.key.as_str(), e.value.as_str()), (k, v));
        }
        assert_eq!(read(&[("MESH_TLS_CA_FILE", "a")]).unwrap_err().key, "MESH_TLS_CERT_FILE");
        assert_eq!(read(&[("GATEWAY_TLS_CERT_FILE", "a")]).unwrap_err().key, "GATEWAY_TLS_KEY_FILE");
    }

    #[test]
    fn a_password_makes_a_user_of_the_bus() {
        let login = |vars: &[(&str, &str)]| read(vars).map(|s| s.nats_login.map(|l| l.user));
        assert_eq!(login(&[]), Ok(None));
        assert_eq!(login(&[("NATS_PASSWORD", "x")]), Ok(Some("sync".to_owned())), "the service's name");
        assert_eq!(login(&[("NATS_PASSWORD", "x"), ("NATS_USER", "me")]), Ok(Some("me".to_owned())));
        for vars in [&[("NATS_USER", "me")][..], &[("NATS_PASSWORD_FILE", "/nowhere/at/all")]] {
            assert_eq!(login(vars).unwrap_err().key, "NATS_PASSWORD_FILE");
        }
    }

    #[test]
    fn an_address_may_do_what_twenty_principals_may() {
        let rate = |vars: &[(&str, &str)]| read(vars).unwrap().http.rate_per_address;
        assert_eq!((rate(&[]), rate(&[("RATE_LIMIT_PER_SECOND", "50000")])), (1000, 1_000_000));
        assert_eq!(rate(&[("RATE_LIMIT_PER_SECOND", "1"), ("RATE_LIMIT_PER_ADDRESS", "7")]), 7);
        assert_eq!(read(&[("HTTP_HEAD_TIMEOUT", "0")]).unwrap_err().key, "HTTP_HEAD_TIMEOUT");
    }

    #[test]
    fn secrets_are_not_shown() {
        let s = read(&[("DATABASE_URL", "postgres://u:secret@h/d"), ("NATS_PASSWORD", "secret@")]).unwrap();
        assert!(!format!("{s:?}").contains("secret@"));
    }
}
