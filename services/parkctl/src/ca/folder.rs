//! The authority's folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use identity::DenyList;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use wire::hash::Hash32;
use wire::id::CentralId;

use super::sign;
use crate::{output, secret};

const DAY_MS: i64 = 86_400_000;
/// Fewer days than this are a failure of `list`.
const SHORT_DAYS: i64 = 30;

/// A certificate the authority signed.
pub(super) struct Signed {
    central: String,
    fingerprint: Hash32,
    not_after_ms: i64,
}

#[expect(clippy::disallowed_methods, reason = "a person's tool, compared with a date of expiry")]
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A moment as people read it.
pub(super) fn date(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "?".to_owned(), |t| t.to_string())
}

impl Signed {
    fn of(der: &CertificateDer<'_>) -> anyhow::Result<Self> {
        let central = identity::certified(der).map_err(anyhow::Error::msg)?.to_string();
        let not_after_ms = identity::not_after_ms(der).map_err(anyhow::Error::msg)?;
        Ok(Self { central, fingerprint: identity::fingerprint(der), not_after_ms })
    }

    fn days_left(&self, now: i64) -> i64 {
        (self.not_after_ms - now).div_euclid(DAY_MS)
    }

    /// In one line.
    pub(super) fn summary(&self) -> String {
        format!("{} until {}  {}", self.central, date(self.not_after_ms), self.fingerprint)
    }
}

/// The deny list of an authority.
pub(super) fn deny_list(dir: &Path) -> PathBuf {
    dir.join("denied.txt")
}

fn issued(dir: &Path) -> PathBuf {
    dir.join("issued")
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Makes an authority where there is none.
pub(super) fn init(dir: &Path, name: &str, years: u32) -> anyhow::Result<()> {
    std::fs::create_dir_all(issued(dir)).with_context(|| format!("{} cannot be made", dir.display()))?;
    let (cert, key) = sign::authority(name, years)?;
    // The key first: it must be new, so an authority that is there is never overwritten.
    secret::new_file(&dir.join("ca-key.pem"), &key)?;
    std::fs::write(dir.join("ca.pem"), cert)?;
    std::fs::write(
        deny_list(dir),
        "# Certificates that count no more: SHA-256, then why. `parkctl ca revoke`.\n",
    )?;
    Ok(())
}

/// Signs a request, keeps a copy of the certificate and writes it out.
pub(super) fn approve(
    dir: &Path,
    request: &Path,
    central: &CentralId,
    days: u32,
    out: &Path,
) -> anyhow::Result<Signed> {
    let (ca, key) = (read(&dir.join("ca.pem"))?, read(&dir.join("ca-key.pem"))?);
    let pem = sign::approve((&ca, &key), &read(request)?, central, days)
        .with_context(|| request.display().to_string())?;
    let signed = Signed::of(&CertificateDer::from_pem_slice(pem.as_bytes())?)?;
    // Kept first: a certificate nobody remembers could never be denied.
    let copy = issued(dir).join(format!("{central}-{}.pem", signed.fingerprint));
    std::fs::write(&copy, &pem).with_context(|| format!("{} cannot be written", copy.display()))?;
    std::fs::write(out, pem).with_context(|| format!("{} cannot be written", out.display()))?;
    Ok(signed)
}

fn all(dir: &Path) -> anyhow::Result<Vec<Signed>> {
    let folder = issued(dir);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        let der = CertificateDer::from_pem_file(&path).with_context(|| path.display().to_string())?;
        all.push(Signed::of(&der).with_context(|| path.display().to_string())?);
    }
    all.sort_by(|a, b| (&a.central, b.not_after_ms).cmp(&(&b.central, a.not_after_ms)));
    Ok(all)
}

fn denied(dir: &Path) -> anyhow::Result<DenyList> {
    let path = deny_list(dir);
    let text = if path.exists() { read(&path)? } else { String::new() };
    DenyList::parse(&text).with_context(|| path.display().to_string())
}

/// Shows all; exit 1 when one that counts, the newest of its central, ends soon.
pub(super) fn list(dir: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let (all, denied, now) = (all(dir)?, denied(dir)?, now_ms());
    let mut short = false;
    let mut seen = "";
    let mut rows = Vec::new();
    for s in &all {
        let is_denied = denied.denies(&s.fingerprint);
        let days = s.days_left(now);
        if !is_denied && s.central != seen {
            seen = &s.central;
            short |= days < SHORT_DAYS;
        }
        let state = match (is_denied, days) {
            (true, _) => "denied",
            (false, ..0) => "ended",
            (false, _) => "good",
        };
        rows.push(
            json!({"central": s.central, "state": state, "days_left": days, "not_after": date(s.not_after_ms),
            "fingerprint": s.fingerprint.to_string()}),
        );
        if !as_json {
            output::line(&format!("{:<8} {days:>5} days  {}", state, s.summary()));
        }
    }
    if as_json {
        output::line(&json!({"items": rows}).to_string());
    }
    Ok(if short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Adds to the deny list what is not on it. Errors: nothing fits, or a beginning fits two.
pub(super) fn revoke(dir: &Path, which: &str, reason: &str) -> anyhow::Result<Vec<Signed>> {
    let denied = denied(dir)?;
    let all = all(dir)?;
    let of_central = all.iter().any(|s| s.central == which);
    let prefix = which.replace(':', "").to_ascii_lowercase();
    let fits = |s: &Signed| {
        if of_central {
            s.central == which
        } else {
            prefix.len() >= 8 && s.fingerprint.to_string().starts_with(&prefix)
        }
    };
    let chosen: Vec<Signed> = all.into_iter().filter(fits).collect();
    ensure!(
        !chosen.is_empty(),
        "{which}: neither a central nor 8 or more digits of a fingerprint that `list` shows"
    );
    ensure!(of_central || chosen.len() == 1, "{which} fits {} certificates: give more of it", chosen.len());
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(deny_list(dir))?;
    for s in chosen.iter().filter(|s| !denied.denies(&s.fingerprint)) {
        writeln!(file, "{}  {} {} {reason}", s.fingerprint, s.central, date(now_ms()))?;
    }
    file.sync_all()?;
    Ok(chosen)
}
