//! Who a service is on its bus: a user and a password, from the environment, a file, or the URL.

use std::fmt;
use std::path::PathBuf;

use async_nats::ServerAddr;

use crate::secret::Secret;

/// Where the password stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// In the environment or the URL.
    Text(Secret),
    /// In a file, read anew for every connection: it may be exchanged without a restart.
    File(PathBuf),
}

/// A user of the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `NATS_USER`; where only a password is given, the service's name.
    pub user: String,
    /// `NATS_PASSWORD` or `NATS_PASSWORD_FILE`.
    pub password: Password,
}

impl Login {
    /// The password now. Errors: the file cannot be read.
    pub(super) fn secret(&self) -> Result<String, Unreadable> {
        match &self.password {
            Password::Text(text) => Ok(text.expose().to_owned()),
            Password::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(text.trim().to_owned()),
                Err(e) => Err(Unreadable(format!("{}: {e}", path.display()))),
            },
        }
    }
}

/// The password's file cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the password of the bus cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Takes user and password out of a URL: the client neither uses them nor keeps them out of its logs. Errors: no URL of a bus.
pub(super) fn apart(url: &str) -> anyhow::Result<(String, Option<Login>)> {
    // The error may show the URL and with it the password.
    let addr: ServerAddr = url.parse().map_err(|_| anyhow::anyhow!("is no URL of a NATS server"))?;
    let Some(user) = addr.username().map(plain) else { return Ok((url.to_owned(), None)) };
    let password = Password::Text(Secret::new(addr.password().map(plain).unwrap_or_default()));
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    Ok((format!("{scheme}://{host}"), Some(Login { user, password })))
}

/// Undoes `%41`.
fn plain(encoded: impl AsRef<str>) -> String {
    let bytes = encoded.as_ref().as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| b == b'%').and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_keeps_no_secret() {
        let (url, login) = apart("nats://ledger:p%40ss%3Aw@nats:4222").unwrap();
        let login = login.unwrap();
        assert_eq!((url.as_str(), login.user.as_str()), ("nats://nats:4222", "ledger"));
        assert_eq!(login.secret().unwrap(), "p@ss:w");
        assert!(!format!("{login:?}").contains("p@ss"));
        assert_eq!(apart("nats://127.0.0.1:4222").unwrap(), ("nats://127.0.0.1:4222".to_owned(), None));
        assert!(apart("http://x y").is_err());
    }

    #[test]
    fn a_password_file_is_read_anew() {
        let file = std::env::temp_dir().join(format!("kit-login-{}", std::process::id()));
        let login = Login { user: "sync".into(), password: Password::File(file.clone()) };
        assert!(login.secret().is_err());
        std::fs::write(&file, "one\n").unwrap();
        assert_eq!(login.secret().unwrap(), "one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(login.secret().unwrap(), "two");
        std::fs::remove_file(&file).unwrap();
    }
}
