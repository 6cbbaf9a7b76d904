//! `parkctl ca`: the operator's certificate authority. A central's key is made at the central and never leaves it: a request (public
//! key and id) goes to the authority's machine, a certificate comes back.
//!
//! The authority is a folder: `ca.pem`, `ca-key.pem` (only its owner may read it), `issued/` with every certificate it ever signed,
//! and `denied.txt`, the deny list that goes to every central.

mod folder;
mod inspect;
mod sign;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use wire::id::CentralId;

use crate::output;

#[derive(Subcommand)]
pub(crate) enum Ca {
    /// Make an authority: on a machine of its own, best without a network
    Init {
        /// The folder
        dir: PathBuf,
        /// The operator's name
        #[arg(long, default_value = "parkmesh operator")]
        name: String,
        /// Good for so many years
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=30))]
        years: u32,
    },
    /// At a central: make its key, if there is none, and a request for a certificate
    Request {
        /// This central's id, as in its configuration
        #[arg(long)]
        central: CentralId,
        /// The key: made if the file is not there, only its owner may read it
        #[arg(long, default_value = "key.pem")]
        key: PathBuf,
        /// Where the request goes; it is no secret
        #[arg(long, default_value = "request.csr")]
        out: PathBuf,
    },
    /// At the authority: look at a request and sign a certificate for the central you expect it from
    Approve {
        /// The authority's folder
        dir: PathBuf,
        /// The request
        request: PathBuf,
        /// The central it must be from; you asked somebody there
        #[arg(long)]
        central: CentralId,
        /// Good for so many days
        #[arg(long, default_value_t = 397, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Where the certificate goes; it is no secret
        #[arg(long, default_value = "cert.pem")]
        out: PathBuf,
    },
    /// Every certificate the authority signed, and whether it counts
    List {
        /// The authority's folder
        dir: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put certificates on the deny list, which goes to every central (MESH_TLS_DENY_FILE)
    Revoke {
        /// The authority's folder
        dir: PathBuf,
        /// A fingerprint as `list` shows it, its beginning, or a central's id for all of its certificates
        which: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Show what a certificate or a request says
    Inspect {
        /// The file, PEM
        file: PathBuf,
    },
}

impl Ca {
    /// Exit 1 from `list` when a certificate that counts ends within 30 days.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            Ca::Init { dir, name, years } => {
                folder::init(dir, name, *years)?;
                output::line(&format!(
                    "the authority is in {0}: ca.pem goes to every central, {0}/ca-key.pem nowhere",
                    dir.display()
                ));
            }
            Ca::Request { central, key, out } => {
                let made = sign::request(central, key, out)?;
                output::line(&format!(
                    "{} {} and stays here; {} goes to the authority",
                    key.display(),
                    if made { "was made" } else { "was there" },
                    out.display()
                ));
            }
            Ca::Approve { dir, request, central, days, out } => {
                let signed = folder::approve(dir, request, central, *days, out)?;
                output::line(&format!("{} goes to {central}: {}", out.display(), signed.summary()));
            }
            Ca::List { dir, json } => return folder::list(dir, *json),
            Ca::Revoke { dir, which, reason } => {
                for denied in folder::revoke(dir, which, reason)? {
                    output::line(&format!("denied: {}", denied.summary()));
                }
                let list = folder::deny_list(dir);
                output::line(&format!("{} goes to every central (MESH_TLS_DENY_FILE)", list.display()));
            }
            Ca::Inspect { file } => inspect::show(file)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
