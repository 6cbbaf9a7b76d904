//! A central's bus, as the lab's own tools reach it.

use anyhow::{Context as _, Result};
use async_nats::{Client, ConnectOptions, ServerAddr};

/// Connects as the user whom the URL names; the client itself does not look at that part of it.
///
/// # Errors
/// When the URL is none, or the server does not take the user.
pub async fn connect(url: &str) -> Result<Client> {
    let address: ServerAddr = url.parse().context("no URL of a bus")?;
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        _ => ConnectOptions::new(),
    };
    options.connect(without_user(url)).await.context("the bus does not answer, or does not take this user")
}

/// A URL for people: without user and password.
pub(crate) fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_see_holds_no_password() {
        assert_eq!(without_user("nats://lab:secret@127.0.0.1:10001"), "nats://127.0.0.1:10001");
        assert_eq!(without_user("nats://127.0.0.1:10001"), "nats://127.0.0.1:10001");
    }
}
